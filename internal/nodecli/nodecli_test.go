package nodecli

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/nodeproto"
)

// node runs a command and returns what it printed.
func node(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := New(func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC) })
	var out bytes.Buffer
	command.SetArgs(args)
	command.SetOut(&out)
	command.SetErr(&out)
	err := command.ExecuteContext(context.Background())
	return out.String(), err
}

func TestDirectoriesAndFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	made := filepath.Join(root, "witness", "run-1")
	if _, err := node(t, "make", made); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o777 || info.Mode()&fs.ModeSticky == 0 {
		t.Errorf("the directory is %v, %v; want that every user may write and none remove another's files", info, err)
	}
	if err := os.WriteFile(filepath.Join(made, "driver.ndjson"), []byte("line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries := func(args ...string) []nodeproto.Entry {
		t.Helper()
		out, err := node(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		var entries []nodeproto.Entry
		if err := json.Unmarshal([]byte(out), &entries); err != nil {
			t.Fatalf("%v printed %q: %v", args, out, err)
		}
		return entries
	}
	list := entries("list", made)
	if len(list) != 1 || list[0].Name != "driver.ndjson" || list[0].Size != 5 || !list[0].Mode.IsRegular() {
		t.Errorf("the directory has %+v", list)
	}
	if stat := entries("stat", made); len(stat) != 1 || !stat[0].Mode.IsDir() {
		t.Errorf("the directory is %+v", stat)
	}
	if content, err := node(t, "read", filepath.Join(made, "driver.ndjson")); content != "line\n" || err != nil {
		t.Errorf("the file has %q, %v", content, err)
	}
	for range 2 { // what is gone already is no trouble
		if _, err := node(t, "remove", made); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	for _, command := range []string{"stat", "list"} {
		if gone := entries(command, made); gone != nil {
			t.Errorf("%s of what is gone: %+v", command, gone)
		}
	}
	if _, err := node(t, "read", made); err == nil {
		t.Error("what is gone is read")
	}
	if empty := entries("list", filepath.Join(root, "witness")); empty == nil || len(empty) > 0 {
		t.Errorf("an empty directory has %+v, want a list without entries", empty)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	out, err := node(t, "clock")
	if diff := cmp.Diff("2026-01-02T03:04:05.000006Z", strings.TrimSpace(out)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
