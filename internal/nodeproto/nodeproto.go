// Package nodeproto is what the agent on a node of an existing cluster and the harness tell each other about files.
package nodeproto

import (
	"io/fs"
	"time"
)

// Entry is a file or directory, as the agent's commands stat and list print it in JSON lists. They print null for what does not exist.
type Entry struct {
	Name     string      `json:"name"`
	Mode     fs.FileMode `json:"mode"`
	Size     int64       `json:"size"`
	Modified time.Time   `json:"modified"`
}

// MaxRead bounds a file that the agent prints, in bytes: the reader keeps it in memory as a whole.
const MaxRead = 256 << 20
