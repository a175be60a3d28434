package cache_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/cache"
	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

const size = 1 << 20

// newCache makes a cache of files, each of 1 MiB and older than the one before it.
func newCache(t *testing.T, files ...string) string {
	t.Helper()
	directory := t.TempDir()
	for i, name := range files {
		file := filepath.Join(directory, name)
		at := time.Unix(int64(2e9-i*1000), 0)
		err := errors.Join(
			os.MkdirAll(filepath.Dir(file), 0o755),
			os.WriteFile(file, make([]byte, size), 0o755),
			os.Chtimes(filepath.Dir(file), at, at),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func list(t *testing.T, directory string) cache.Listing {
	t.Helper()
	listing, err := cache.List(directory)
	if err != nil {
		t.Fatal(err)
	}
	return listing
}

// Files that entries share count once in the total, and are freed by neither.
func TestSharedFilesCountOnce(t *testing.T) {
	t.Parallel()
	directory := newCache(t, "templates/images-1/a", "templates/images-2/b", "components/runc-v1-k/bin")
	shared := filepath.Join(directory, "templates", "images-2", "a")
	if err := os.Link(filepath.Join(directory, "templates", "images-1", "a"), shared); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "cluster")
	if err := os.Link(filepath.Join(directory, "components", "runc-v1-k", "bin"), outside); err != nil {
		t.Skipf("two directories of a test are on different file systems: %v", err)
	}
	listing := list(t, directory)
	mega := map[string][2]int64{}
	for _, entry := range listing.Entries {
		mega[entry.Name] = [2]int64{entry.Bytes / size, entry.Freed / size}
	}
	want := map[string][2]int64{"images-1": {1, 0}, "images-2": {2, 1}, "runc-v1-k": {1, 0}}
	if diff := cmp.Diff(want, mega); diff != "" || listing.Bytes/size != 3 {
		t.Errorf("MiB, and of them freed (-want +got):\n%s\n%d together, want 3", diff, listing.Bytes/size)
	}
}

func TestPruneKeepsWhatWasUsedLastAndWhatIsNeeded(t *testing.T) {
	t.Parallel()
	files := []string{
		"components/runc-v3-k/bin", "components/runc-v2-k/bin", "components/runc-v1-k/bin", "components/kubernetes-v1-k/bin",
		"images/spark-image/c/image.tar", "images/spark-image/b/image.tar", "images/spark-image/a/image.tar",
		"images/spark-image/.building-1/image.tar", "templates/images-b/f", "templates/images-a/f", "templates/store-a/f",
		"pyspark/3/f", "pyspark/4/f",
		"baselines/a/f",
	}
	for name, tc := range map[string]struct {
		choice cache.Choice
		gone   []string
	}{
		"three of each": {cache.Choice{Keep: 3}, []string{".building-1"}},
		"one of each":   {cache.Choice{Keep: 1}, []string{"runc-v2-k", "runc-v1-k", "b", "a", ".building-1", "images-a"}},
		"an older one is needed": {cache.Choice{Keep: 1, Needed: []string{"components/runc-v1-k"}},
			[]string{"runc-v3-k", "runc-v2-k", "b", "a", ".building-1", "images-a"}},
		"older ones are in use": {cache.Choice{Keep: 1, InUse: func(path string) bool { return strings.Contains(path, "runc") }},
			[]string{"b", "a", ".building-1", "images-a"}},
		"a builder works": {cache.Choice{Keep: 1, Lock: func(e cache.Entry) (func(), bool) {
			return func() {}, !strings.HasPrefix(e.Kind, "images")
		}},
			[]string{"runc-v2-k", "runc-v1-k", "images-a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := newCache(t, files...)
			for i, needed := range tc.choice.Needed {
				tc.choice.Needed[i] = filepath.Join(directory, needed)
			}
			if tc.choice.InUse == nil {
				tc.choice.InUse = func(string) bool { return false }
			}
			if tc.choice.Lock == nil {
				tc.choice.Lock = func(cache.Entry) (func(), bool) { return func() {}, true }
			}
			if _, err := cache.Prune(list(t, directory), tc.choice); err != nil {
				t.Fatal(err)
			}
			var gone []string
			for _, file := range files {
				if _, err := os.Stat(filepath.Join(directory, file)); err != nil {
					gone = append(gone, filepath.Base(filepath.Dir(file)))
				}
			}
			if diff := cmp.Diff(tc.gone, gone); diff != "" {
				t.Errorf("gone (-want +got):\n%s", diff)
			}
		})
	}
}

// A program that runs is in use until it has ended.
func TestRunningProgramsAreInUse(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep to run")
	}
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	entry := filepath.Join(t.TempDir(), "components", "sleep-v1-key")
	program := filepath.Join(entry, "bin", "sleep")
	if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), os.WriteFile(program, data, 0o755)); err != nil {
		t.Fatal(err)
	}
	if cache.Running()(entry) {
		t.Error("in use before anything runs")
	}
	command := exec.Command(program, "600")
	command.Args[0] = "sleep"
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	used := cache.Running()(entry)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	if !used || cache.Running()(entry) {
		t.Errorf("while it runs: %t, afterwards: %t", used, cache.Running()(entry))
	}
}

func TestLocksOfBuilders(t *testing.T) {
	t.Parallel()
	directory := newCache(t, "components/runc-v1-k/bin")
	entry := list(t, directory).Entries[0]
	unlock, locked := cache.Lock(directory)(entry)
	if !locked {
		t.Fatal("not locked")
	}
	if _, again := cache.Lock(directory)(entry); again {
		t.Error("locked twice")
	}
	unlock()
	unlock, locked = cache.Lock(directory)(entry)
	if !locked {
		t.Fatal("not locked after it was unlocked")
	}
	unlock()
}

func TestVerify(t *testing.T) {
	t.Parallel()
	directory := newCache(t, "components/runc-v1-k/bin")
	entry := list(t, directory).Entries[0]
	if there, err := entry.Verify(); there || err != nil {
		t.Errorf("without digests: %t, %v", there, err)
	}
	if err := (filesums.Tree{Dir: entry.Path}).Record(); err != nil {
		t.Fatal(err)
	}
	if there, err := entry.Verify(); !there || err != nil {
		t.Errorf("as it was made: %t, %v", there, err)
	}
	if err := os.WriteFile(filepath.Join(entry.Path, "bin"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if there, err := entry.Verify(); !there || err == nil {
		t.Errorf("damaged: %t, %v", there, err)
	}
}
