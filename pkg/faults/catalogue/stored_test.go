package catalogue_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

var update = flag.Bool("update", false, "write the records of this version again")

// storedRecords are files as each version wrote them, of every fault that there was, by each means: VERSION/0001-FAULT-MEANS.json.
const storedRecords = "testdata/records"

// stored is what such a file is of.
type stored struct{ path, version, kind, by string }

func storedFiles(t *testing.T) []stored {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(storedRecords, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []stored
	for _, path := range paths {
		kind, by, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "0001-"), ".json"), "-")
		if !ok {
			t.Fatalf("%s: expected 0001-FAULT-MEANS%s", path, ".json")
		}
		all = append(all, stored{path: path, version: filepath.Base(filepath.Dir(path)), kind: kind, by: by})
	}
	if len(all) < 42 {
		t.Fatalf("%d stored records, expected 42 or more: none of versions 1 and 2 may be lost", len(all))
	}
	return all
}

// resolve finds the target of the stored record's fault as it was found when the record was written.
func (s stored) resolve(t *testing.T) (*faultstest.World, faults.Fault, faults.Target, time.Time) {
	t.Helper()
	w := newWorld(t).Suiting(s.kind)
	w.Env.Fault, w.Env.Kind = s.kind+"-"+s.by, s.kind
	fault, err := catalogue.All().New(s.kind, s.by, w.Example(t, s.kind))
	if err != nil {
		t.Fatal(err)
	}
	written := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	env := w.Env
	env.Now = func() time.Time { return written }
	target, err := fault.Resolve(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return w, fault, target, written
}

// TestStoredRecordsAreUndone has a clean-up of today meet what a run of each version left.
func TestStoredRecordsAreUndone(t *testing.T) {
	t.Parallel()
	for _, s := range storedFiles(t) {
		t.Run(s.version+"/"+s.kind+"-"+s.by, func(t *testing.T) {
			t.Parallel()
			w, fault, target, _ := s.resolve(t)
			before, _ := w.Cluster.Nodes(t.Context())
			if _, err := fault.Inject(t.Context(), w.Env, target); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.path)), content, 0o600); err != nil {
				t.Fatal(err)
			}
			undone, err := w.Cleaner().UndoPending(t.Context(), dir)
			if err != nil || len(undone) != 1 {
				t.Fatalf("%d undone, %v", len(undone), err)
			}
			if proof, err := fault.ProveRecovered(t.Context(), w.Env, target, undone[0].Effect); err != nil || len(proof.Observations) == 0 {
				t.Errorf("recovery: %+v, %v", proof, err)
			}
			after, _ := w.Cluster.Nodes(t.Context())
			for i := range after {
				after[i].BootID = before[i].BootID
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("machines (-before +after):\n%s", diff)
			}
			if left, err := faults.Pending(dir, catalogue.All().Undos()); len(left) > 0 || err != nil {
				t.Errorf("open records %v, %v", left, err)
			}
		})
	}
}

// TestRecordsAreWrittenAsTheyWere compares what this version writes with what it wrote when its records were stored: a clean-up by
// another build of the same version has to understand it.
func TestRecordsAreWrittenAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, s := range storedFiles(t) {
		if s.version != "2" {
			continue
		}
		w, _, target, written := s.resolve(t)
		record, err := w.Env.Journal.Write(faults.Record{
			Run: w.Env.Run, Fault: w.Env.Fault, Kind: s.kind, Written: written, ClusterKind: w.Env.ClusterKind, Cluster: w.Env.Machines.Name(),
			ClusterID: w.Env.Cluster,
			Object:    target.Object, Node: target.Node, Undo: target.Undo,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(w.Dir, record.ID+".json"))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(storedRecords, "3", filepath.Base(s.path))
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
			t.Errorf("%v\n%s (-want +got):\n%s", err, path, diff)
		}
	}
}
