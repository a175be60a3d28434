//go:build linux

package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/clustertest"
)

func TestEveryNameIsCheckedFirst(t *testing.T) {
	t.Parallel()
	clustertest.ChecksNamesFirst(t, "clusters/lab/cluster.json", "{}", func(state string) map[string]func(name string) error {
		p := Provider{State: state, Cache: filepath.Join(filepath.Dir(state), "cache"), Progress: func(string) {}}
		c := &Cluster{provider: p, directory: clusterDirectory(state, "lab"), record: record{Name: "lab"}}
		for _, file := range []string{"", "/etc/passwd", "../other/file", "a/../../b"} {
			program := cluster.Program{Name: "fine", Path: "/bin/true", File: map[string][]byte{file: nil}}
			if err := c.StartBeside(t.Context(), program); err == nil || !strings.Contains(err.Error(), "cannot be the name of a file") {
				t.Errorf("a program with the file %q: %v", file, err)
			}
		}
		return map[string]func(name string) error{
			"Open":       func(name string) error { _, err := p.Open(name); return err },
			"Up":         func(name string) error { _, err := p.Up(t.Context(), Options{Name: name, Workers: 1}); return err },
			"Down":       func(name string) error { _, err := p.Down(t.Context(), name); return err },
			"Do":         func(name string) error { _, err := c.Do(t.Context(), cluster.PowerOff, name); return err },
			"Disk":       func(name string) error { _, err := c.Disk(t.Context(), name); return err },
			"StopBeside": func(name string) error { _, err := c.StopBeside(t.Context(), name); return err },
			"StartBeside": func(name string) error {
				return c.StartBeside(t.Context(), cluster.Program{Name: name, Path: "/bin/true"})
			},
		}
	})
}

func TestDownRemovesOnlyWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files   map[string]string
		refused string // part of the error; empty: it is removed
	}{
		"what a start made, without a record": {files: map[string]string{"kubeconfig": "", "disks/worker-1/etc/hostname": "",
			"machines/worker-1.json": "{", ".new-1": ""}},
		"a damaged record": {files: map[string]string{"cluster.json": "{ not JSON"}},
		"somebody's file": {files: map[string]string{"thesis.txt": "years of work"},
			refused: "holds thesis.txt and no cluster.json"},
		"somebody's file beside ours": {files: map[string]string{"disks/x": "", "thesis.txt": ""},
			refused: "holds thesis.txt and no cluster.json"},
	} {
		state := t.TempDir()
		d := filepath.Join(state, "clusters", "lab")
		clustertest.Place(t, filepath.Join(state, "clusters", "other", "cluster.json"), "{}")
		for file, content := range tt.files {
			clustertest.Place(t, filepath.Join(d, file), content)
		}
		before := clustertest.Tree(t, filepath.Join(state, "clusters"))
		p := Provider{State: state, Cache: t.TempDir(), Progress: func(string) {}}
		existed, err := p.Down(t.Context(), "lab")
		if !existed {
			t.Errorf("%s: it is said that there was nothing", name)
		}
		if tt.refused == "" {
			if _, left := os.Lstat(d); err != nil || !absent(left) {
				t.Errorf("%s: Down: %v; left: %v", name, err, left)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: Down: %v, want that it is refused with %q", name, err, tt.refused)
		}
		if diff := cmp.Diff(before, clustertest.Tree(t, filepath.Join(state, "clusters"))); diff != "" {
			t.Errorf("%s: files changed:\n%s", name, diff)
		}
	}
}

func TestDownOfNothingMakesNothing(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	p := Provider{State: state, Cache: t.TempDir(), Progress: func(string) {}}
	if existed, err := p.Down(t.Context(), "lab"); existed || err != nil {
		t.Errorf("Down = %v, %v", existed, err)
	}
	if _, err := os.Lstat(state); !absent(err) {
		t.Errorf("it made %v, %v", state, err)
	}
}

func TestADamagedRecordIsNoMissingOne(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"{ not JSON", "", "{}", `{"version":1,"name":"other"}`} {
		state := t.TempDir()
		clustertest.Place(t, filepath.Join(state, "clusters", "lab", "cluster.json"), content)
		_, err := Provider{State: state}.Open("lab")
		if err == nil || absent(err) || errors.Is(err, cluster.ErrNotFound) || !strings.Contains(err.Error(), "cluster down") {
			t.Errorf("record %q: %v, want that it is damaged, and what to do", content, err)
		}
	}
}

func TestNamesAreThoseOfClusters(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	clustertest.Place(t, filepath.Join(state, "clusters", "lab", "cluster.json"), "{}")
	clustertest.Place(t, filepath.Join(state, "clusters", "a file"), "")
	clustertest.Place(t, filepath.Join(state, "clusters", "Not A Name", "x"), "")
	if names, err := (Provider{State: state}).Names(); err != nil || !cmp.Equal([]string{"lab"}, names) {
		t.Errorf("Names = %v, %v", names, err)
	}
}

// Logs are on disks that pods write to. What they left there in place of one is neither followed nor read for ever.
func TestLogsAreThoseOfServicesAlone(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	secret := filepath.Join(base, "secret")
	clustertest.Place(t, secret, "of the host")
	d := clusterDirectory(filepath.Join(base, "state"), "lab")
	for _, name := range []string{controlPlane, "worker-1", "worker-2"} {
		var m machineRecord
		m.Spec.Name = name
		if err := d.saveMachine(m); err != nil {
			t.Fatal(err)
		}
		clustertest.Place(t, d.machineLog(name), "init of "+name)
	}
	logs := filepath.Join(d.disk("worker-1"), "var/log/sparkchaos")
	clustertest.Place(t, filepath.Join(logs, "kubelet.log"), "begin"+strings.Repeat("x", maxLogCopy))
	err := errors.Join(os.Symlink(secret, filepath.Join(logs, "stolen.log")), syscall.Mkfifo(filepath.Join(logs, "endless.log"), 0o600),
		os.Mkdir(filepath.Join(logs, "directory.log"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	// All logs of another node are a link to a directory of the host.
	clustertest.Place(t, filepath.Join(base, "host", "stolen.log"), "of the host")
	if err := errors.Join(os.MkdirAll(filepath.Join(d.disk("worker-2"), "var/log"), 0o755),
		os.Symlink(filepath.Join(base, "host"), filepath.Join(d.disk("worker-2"), "var/log/sparkchaos"))); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{directory: d, record: record{Name: "lab"}}
	found, err := c.Logs()
	for _, log := range found {
		if log.Service == "stolen" || log.Service == "endless" || log.Service == "directory" {
			t.Errorf("%s is taken for a log", log.Name())
		}
	}
	if err == nil {
		t.Error("a directory of logs that leads to the host is reported by nobody")
	}
	target := filepath.Join(base, "copy")
	if err := c.CopyLogs(target); err == nil {
		t.Error("a directory of logs that leads to the host is reported by nobody")
	}
	copied, err := os.ReadFile(filepath.Join(target, "worker-1-kubelet.log"))
	if err != nil || len(copied) != maxLogCopy || strings.HasPrefix(string(copied), "begin") {
		t.Errorf("of a long log %d bytes are kept, %v; want its last %d", len(copied), err, maxLogCopy)
	}
	if init, err := os.ReadFile(filepath.Join(target, "worker-2-init.log")); err != nil || string(init) != "init of worker-2" {
		t.Errorf("the other logs: %q, %v", init, err)
	}
	for _, file := range clustertest.Tree(t, target) {
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
			if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), "of the host") {
				t.Errorf("%s holds a file of the host, %v", file, err)
			}
		}
	}
	replaced := Log{Machine: "worker-1", Service: "kubelet", root: d.disk("worker-1"), relative: "var/log/sparkchaos/stolen.log"}
	if _, err := replaced.Open(); err == nil {
		t.Error("a log that was replaced by a link was opened")
	}
}
