//go:build linux

package kind

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/clustertest"
)

// fakeEngine puts a script in the place of docker, which writes each of its calls to a file. The tests that use it cannot be parallel.
func fakeEngine(t *testing.T, script string) (calls func() string) {
	t.Helper()
	bin := t.TempDir()
	log := filepath.Join(bin, "calls")
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\necho \"$@\" >> "+log+"\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return func() string {
		content, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(content)
	}
}

func someProvider(state string) Provider {
	return Provider{State: state, Engine: Docker, Progress: func(string) {}}
}

func TestEveryNameIsCheckedFirst(t *testing.T) {
	calls := fakeEngine(t, "exit 0")
	const content = `{"name":"lab","engine":"docker"}`
	clustertest.ChecksNamesFirst(t, "kind/lab/cluster.json", content, func(state string) map[string]func(name string) error {
		p := someProvider(state)
		c := &Cluster{provider: p, directory: directoryOf(state, "lab"), record: record{Name: "lab", Engine: Docker}}
		return map[string]func(name string) error{
			"EngineOf": func(name string) error { _, err := EngineOf(state, name); return err },
			"Open":     func(name string) error { _, err := p.Open(t.Context(), name); return err },
			"Up":       func(name string) error { _, _, err := p.Up(t.Context(), Options{Name: name}); return err },
			"Down":     func(name string) error { _, err := p.Down(t.Context(), name); return err },
			"Do":       func(name string) error { _, err := c.Do(t.Context(), cluster.PowerOff, name); return err },
			"Disk":     func(name string) error { _, err := c.Disk(t.Context(), name); return err },
		}
	})
	if said := calls(); said != "" {
		t.Errorf("the container engine was called:\n%s", said)
	}
}

func TestDownRemovesOnlyWhatIsKnown(t *testing.T) {
	const containers = `case "$1" in ps) echo lab-control-plane;; container) echo '[{"Name":"/lab-control-plane"}]';; *) exit 1;; esac`
	for name, tt := range map[string]struct {
		files   map[string]string
		engine  string
		refused string // part of the error; empty: it is removed
		asked   bool   // the container engine was called
	}{
		"nothing but the directory":      {files: map[string]string{}},
		"what a start makes first":       {files: map[string]string{"shared/": ""}},
		"a record that was not finished": {files: map[string]string{"shared/": "", ".new-123": "{"}},
		"somebody's file": {files: map[string]string{"thesis.txt": "years of work"},
			refused: "holds thesis.txt and no cluster.json"},
		"a lost record, no container": {files: map[string]string{"shared/": "", "kubeconfig": "x", "nodes.json": "{}"}, engine: "exit 0",
			asked: true},
		"a lost record, volumes in use": {files: map[string]string{"shared/shared-0/data": "x"}, engine: containers,
			refused: "kind delete cluster --name lab", asked: true},
		"a lost record, containers": {files: map[string]string{"shared/": "", "kubeconfig": "x"}, engine: containers,
			refused: "lab-control-plane", asked: true},
		"a lost record, engine away": {files: map[string]string{"kubeconfig": "x"}, engine: "echo away; exit 1", refused: "away",
			asked: true},
		"a damaged record":    {files: map[string]string{"shared/": "", "cluster.json": "{ not JSON"}, refused: "is damaged"},
		"an empty record":     {files: map[string]string{"cluster.json": ""}, refused: "is damaged"},
		"a record of nothing": {files: map[string]string{"cluster.json": "{}"}, refused: "is damaged"},
		"a record of another cluster": {files: map[string]string{"cluster.json": `{"name":"other","engine":"docker"}`},
			refused: `is of the cluster "other"`},
		"a record of another engine": {files: map[string]string{"cluster.json": `{"name":"lab","engine":"/bin/rm"}`},
			refused: "names the container engine"},
		"a record that cannot be a file":  {files: map[string]string{"cluster.json/": ""}, refused: "nothing was done"},
		"another file in place of a name": {files: nil, refused: "nothing was done"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := tt.engine
			if engine == "" {
				engine = "exit 1"
			}
			calls := fakeEngine(t, engine)
			state := t.TempDir()
			d := filepath.Join(state, "kind", "lab")
			clustertest.Place(t, filepath.Join(state, "kind", "other", "cluster.json"), "{}")
			if tt.files == nil {
				clustertest.Place(t, d, "a file")
			} else if err := os.MkdirAll(d, 0o700); err != nil {
				t.Fatal(err)
			}
			for file, content := range tt.files {
				if strings.HasSuffix(file, "/") {
					if err := os.MkdirAll(filepath.Join(d, file), 0o700); err != nil {
						t.Fatal(err)
					}
					continue
				}
				clustertest.Place(t, filepath.Join(d, file), content)
			}
			before := clustertest.Tree(t, filepath.Join(state, "kind"))
			existed, err := someProvider(state).Down(t.Context(), "lab")
			if !existed {
				t.Error("it is said that there was nothing")
			}
			if asked := calls() != ""; asked != tt.asked {
				t.Errorf("the container engine was asked: %v, want %v: %s", asked, tt.asked, calls())
			}
			if tt.refused == "" {
				if _, left := os.Lstat(d); err != nil || !absent(left) {
					t.Errorf("Down: %v; left: %v", err, left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("Down: %v, want that it is refused with %q", err, tt.refused)
			}
			if diff := cmp.Diff(before, clustertest.Tree(t, filepath.Join(state, "kind"))); diff != "" {
				t.Errorf("files changed:\n%s", diff)
			}
		})
	}
}

// A directory that is a link is no way to what it points to.
func TestDownFollowsNoLink(t *testing.T) {
	fakeEngine(t, "exit 0")
	state, victim := t.TempDir(), t.TempDir()
	clustertest.Place(t, filepath.Join(victim, "shared", "file"), "")
	if err := os.Mkdir(filepath.Join(state, "kind"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(state, "kind", "lab")); err != nil {
		t.Fatal(err)
	}
	if _, err := someProvider(state).Down(t.Context(), "lab"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(victim, "shared", "file")); err != nil {
		t.Errorf("what the link pointed to: %v", err)
	}
}

func TestADamagedRecordIsNoMissingOne(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	clustertest.Place(t, filepath.Join(state, "kind", "lab", "cluster.json"), "{ not JSON")
	p := someProvider(state)
	for name, call := range map[string]func() error{
		"EngineOf": func() error { _, err := EngineOf(state, "lab"); return err },
		"Open":     func() error { _, err := p.Open(t.Context(), "lab"); return err },
		"Up":       func() error { _, _, err := p.Up(t.Context(), Options{Name: "lab"}); return err },
	} {
		err := call()
		if err == nil || absent(err) || errors.Is(err, cluster.ErrNotFound) || !strings.Contains(err.Error(), "kind delete cluster --name lab") {
			t.Errorf("%s: %v, want that the record is damaged, and what to do", name, err)
		}
	}
}

// The slower of two that make one cluster waits for the other, and takes nothing of it away.
func TestTwoUpsOfOneClusterTakeTurns(t *testing.T) {
	// Nodes exist once the record says that the cluster runs.
	state := t.TempDir()
	d := directoryOf(state, "lab")
	fakeEngine(t, `case "$1" in ps) echo lab-control-plane;; container) echo '[{"Name":"/lab-control-plane"}]';; *) exit 1;; esac`)
	waiting := make(chan struct{})
	var once sync.Once
	p := someProvider(state)
	p.Progress = func(line string) {
		if strings.Contains(line, "waiting for another sparkchaos") {
			once.Do(func() { close(waiting) })
		}
	}
	// The first one, in the middle of its start.
	done, err := p.Locks().Change(t.Context(), "lab", func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	r := record{Name: "lab", Engine: Docker, Workers: 0, Created: time.Now()}
	if err := d.save(r); err != nil {
		t.Fatal(err)
	}
	type result struct {
		c    *Cluster
		made bool
		err  error
	}
	second := make(chan result, 1)
	go func() {
		c, made, err := p.Up(context.Background(), Options{Name: "lab", NodeImage: "none"})
		second <- result{c, made, err}
	}()
	select {
	case <-waiting:
	case r := <-second:
		t.Fatalf("the second did not wait: %+v", r)
	}
	r.Running = true
	if err := d.save(r); err != nil {
		t.Fatal(err)
	}
	done()
	if got := <-second; got.err != nil || got.made || got.c == nil {
		t.Errorf("the second: %+v, want the cluster that the first one made", got)
	}
	if _, err := d.load(); err != nil {
		t.Errorf("the first one's record: %v", err)
	}
}

// Actions, loading and the making of volumes wait while another process changes the cluster: nodes.json is read, changed and written
// under its lock.
func TestChangesWaitForOtherProcesses(t *testing.T) {
	fakeEngine(t, "exit 1")
	state := t.TempDir()
	waiting := make(chan struct{}, 1)
	p := someProvider(state)
	p.Progress = func(string) { waiting <- struct{}{} }
	c := &Cluster{provider: p, directory: directoryOf(state, "lab"), record: record{Name: "lab", Engine: Docker}}
	if err := c.directory.save(c.record); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Do":           func() error { _, err := c.Do(context.Background(), cluster.PowerOff, "lab-worker"); return err },
		"Load":         func() error { return c.Load(context.Background(), "none.tar") },
		"RenewVolumes": func() error { return c.RenewVolumes(context.Background()) },
		"Down":         func() error { _, err := p.Down(context.Background(), "lab"); return err },
	} {
		done, err := p.Locks().Change(t.Context(), "lab", func() { t.Error("waited for nobody") })
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- call() }()
		select {
		case <-waiting:
		case err := <-ended:
			t.Errorf("%s did not wait: %v", name, err)
		}
		done()
		if err := <-ended; err == nil {
			t.Errorf("%s went well with an engine that does nothing", name)
		}
	}
}

func TestVolumesAreEmptiedOnTheirOwnDisk(t *testing.T) {
	t.Parallel()
	victim := t.TempDir()
	kept := filepath.Join(victim, "local-w-0", "file")
	clustertest.Place(t, kept, "")
	for name, leave := range map[string]func(disk string) error{
		"the parent is a link": func(disk string) error { return os.Symlink(victim, filepath.Join(disk, "volumes")) },
		"the parent is a link with dots": func(disk string) error {
			relative, err := filepath.Rel(disk, victim)
			return errors.Join(err, os.Symlink(relative, filepath.Join(disk, "volumes")))
		},
		"the volume is a link": func(disk string) error {
			return errors.Join(os.Mkdir(filepath.Join(disk, "volumes"), 0o755),
				os.Symlink(filepath.Join(victim, "local-w-0"), filepath.Join(disk, "volumes", "local-w-0")))
		},
	} {
		disk := t.TempDir()
		if err := leave(disk); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(disk)
		if err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(filepath.Dir(kept))
		if err != nil {
			t.Fatal(err)
		}
		_ = emptyDirectory(root, "volumes/local-w-0") // may be refused
		after, err := os.Stat(filepath.Dir(kept))
		if err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: what it led to is %v now, %v", name, after, err)
		}
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = root.Close()
	}
}
