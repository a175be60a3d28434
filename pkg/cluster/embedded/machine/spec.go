//go:build linux

// Package machine makes a machine out of a process: new PID, mount, network, UTS and IPC namespaces, a root file
// system of its own on a directory of the host (its disk), and an init that starts its services and restarts them.
// Nothing holds a namespace but the machine's own processes, so killing its init frees everything at once.
package machine

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Spec is a machine, complete enough to boot it again from nothing but its disk.
type Spec struct {
	Name     string            `json:"name"`     // host name
	Disk     string            `json:"disk"`     // directory on the host; becomes the machine's /
	Cgroup   string            `json:"cgroup"`   // group of the machine and of all pods on it, in every hierarchy
	Mounts   []Mount           `json:"mounts"`   // directories of the host that the machine sees
	Files    map[string]string `json:"files"`    // files written below / at each boot: path → content
	Services []Service         `json:"services"` // started side by side, each when what it waits for is there
	Forward  []string          `json:"forward"`  // addresses inside to which the listeners given at boot forward
	Path     []string          `json:"path"`     // directories of the machine in which programs are looked up before the usual ones
	// Bound machines end with the process that booted them; the others outlive it.
	Bound bool `json:"bound,omitempty"`
}

// Mount binds a directory of the host to a path of the machine.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable"`
}

// Service is a program that the machine's init keeps running.
type Service struct {
	Name    string   `json:"name"`
	Command []string `json:"command"` // the program is looked up in the machine's PATH
	Env     []string `json:"env"`     // added to the machine's own environment
	After   []string `json:"after"`   // conditions: started when all hold, see Condition
	Ready   string   `json:"ready"`   // condition that says it serves; empty: ready once started
	// Stop is how long the service has to end after SIGTERM in an orderly shutdown.
	Stop time.Duration `json:"stop"`
}

// Cgroup of a machine's own processes: the group of the machine itself has children and, on cgroup v2, may thus hold no process.
func (s Spec) processCgroup() string { return filepath.Join(s.Cgroup, "machine") }

// LogDirectory is where a machine's services write their logs, as a path inside the machine.
const LogDirectory = "/var/log/sparkchaos"

// runDirectory holds what init itself keeps while the machine is on.
const runDirectory = "/run/sparkchaos"

// searchPath is the machine's PATH.
func (s Spec) searchPath() string {
	usual := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	return strings.Join(append(slices.Clone(s.Path), usual...), ":")
}
