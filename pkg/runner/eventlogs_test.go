package runner

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestEventLogsAreKept(t *testing.T) {
	t.Parallel()
	into := filepath.Join(t.TempDir(), "eventlogs")
	regular := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o600} }
	for node, disk := range map[string]fstest.MapFS{
		"n1": {
			"var/w/uid-1.ndjson":           regular("records"),
			"var/w/spark-1.inprogress":     regular("of a driver that lost its node"),
			"var/w/fixed":                  regular("of n1"),
			"var/w/.crc":                   regular("of Hadoop"),
			"var/w/link":                   {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")},
			"var/other/of-another-session": regular("no"),
		},
	} {
		if err := copyEventLogs(disk, "/var/w", into, node); err != nil {
			t.Error(err)
		}
	}
	if err := copyEventLogs(fstest.MapFS{"var/w/fixed": regular("of n2")}, "/var/w", into, "n2"); err != nil {
		t.Error(err)
	}
	if err := copyEventLogs(fstest.MapFS{}, "/var/w", into, "n3"); err != nil {
		t.Errorf("a node without the directory: %v", err)
	}
	got := map[string]string{}
	files, err := os.ReadDir(into)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(into, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[file.Name()] = string(content)
	}
	want := map[string]string{"spark-1.inprogress": "of a driver that lost its node", "fixed": "of n1", "n2-fixed": "of n2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept are (-want +got):\n%s", diff)
	}
}

func TestEventLogsAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	into := t.TempDir()
	disk := fstest.MapFS{"w/spark-1": {Data: []byte("0123456789")}}
	size, err := copyEventLog(disk, "w/spark-1", into, "n1", 4)
	if size != 4 || err == nil || !strings.Contains(err.Error(), "only 4 bytes of it are kept") {
		t.Errorf("of 10 bytes, %d are kept: %v", size, err)
	}
}
