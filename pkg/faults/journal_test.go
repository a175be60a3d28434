package faults

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func aRecord(fault, node string, action cluster.Action) Record {
	return Record{
		Run: "run-1", Fault: fault, Kind: "nodePowerOff", ClusterKind: "embedded", Cluster: "test", ClusterID: testIdentity(),
		Written: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Object:  history.Object{Kind: "Node", Name: node}, Node: node,
		Undo: undoAction(action),
	}
}

func openJournal(t *testing.T, dir string) *Journal {
	t.Helper()
	journal, err := OpenJournal(dir, testUndos())
	if err != nil {
		t.Fatal(err)
	}
	return journal
}

func write(t *testing.T, j *Journal, r Record) Record {
	t.Helper()
	written, err := j.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func TestJournalRoundTrip(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run", "undo")
	journal := openJournal(t, dir)
	first := write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
	second := write(t, journal, aRecord("cut/../off", "worker-2", cluster.Isolate))
	if diff := cmp.Diff([]string{"0001-lose", "0002-cut____off"}, []string{first.ID, second.ID}); diff != "" {
		t.Error(diff)
	}
	got, err := Pending(dir, testUndos())
	if diff := cmp.Diff([]Record{first, second}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for range 2 {
		if err := journal.Done(first.ID); err != nil {
			t.Fatal(err)
		}
	}
	reopened := openJournal(t, dir)
	if diff := cmp.Diff([]Record{second}, reopened.Open()); diff != "" {
		t.Error(diff)
	}
	if others := reopened.others(second.ID); len(others) > 0 {
		t.Errorf("others than the one that is open: %v", others)
	}
	if third := write(t, reopened, aRecord("again", "worker-1", cluster.PowerOff)); third.ID != "0003-again" {
		t.Errorf("a number was given twice: %s", third.ID)
	}
}

func TestJournalRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		record Record
		want   string
	}{
		{"what another fault holds", aRecord("again", "worker-1", cluster.PowerOff), "node worker-1 (power-off) is already held by fault lose"},
		{"what cannot be undone", aRecord("f", "worker-2", cluster.PowerOn), `action "power-on" has no undoing`},
		{"no node", aRecord("f", "", cluster.PowerOff), "no node"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			journal := openJournal(t, dir)
			write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
			_, err := journal.Write(test.record)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if records, err := Pending(dir, testUndos()); len(records) != 1 || err != nil {
				t.Errorf("%d records, %v", len(records), err)
			}
		})
	}
}

func TestTornAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := write(t, openJournal(t, dir), aRecord("lose", "worker-1", cluster.PowerOff))
	path := filepath.Join(dir, whole.ID+openSuffix)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, openJournal(t, dir), aRecord("cut", "worker-2", cluster.Isolate))
	for n := range content {
		if err := os.WriteFile(path, content[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		records, err := Pending(dir, testUndos())
		var damaged *DamagedRecordError
		if !errors.As(err, &damaged) || damaged.Path != path {
			t.Fatalf("torn after %d bytes: %v, want a DamagedRecordError of %s", n, err, path)
		}
		if len(records) != 1 || records[0].Fault != "cut" {
			t.Fatalf("torn after %d bytes: the whole record is missing: %v", n, records)
		}
	}
	if _, err := OpenJournal(dir, testUndos()); err != nil {
		t.Errorf("a torn record keeps the journal closed: %v", err)
	}
}

func TestCorruptRecords(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"binary", "\x00\xff\x00\n", "not an undo record"},
		{"two values", `{"version":1,"id":"0001-x"}{}` + "\n", "more than one value"},
		{"another version", `{"version":4,"id":"0001-x"}` + "\n", "version 4: expected 1 to 3"},
		{"unknown field", `{"version":1,"id":"0001-x","colour":"red"}` + "\n", "unknown field"},
		{"another record's id", `{"version":1,"id":"0002-y"}` + "\n", `expected "0001-x" as the file is named`},
		{"a path as id", `{"version":1,"id":"../x"}` + "\n", "cannot name a file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "0001-x"+openSuffix), []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			records, err := Pending(dir, testUndos())
			if err == nil || !strings.Contains(err.Error(), test.want) || len(records) != 0 {
				t.Errorf("got %v and %v, want %q", records, err, test.want)
			}
		})
	}
}

func TestARecordThatWasBeingWrittenIsOfNoInjection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".0001-x.json123456", "0001-x.writing"} { // the latter by former versions
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"ver`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if records, err := Pending(dir, testUndos()); len(records) != 0 || err != nil {
		t.Errorf("got %v, %v", records, err)
	}
	if records, err := Pending(filepath.Join(dir, "absent"), testUndos()); len(records) != 0 || err != nil {
		t.Errorf("absent directory: got %v, %v", records, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"0001-x","target":{"object":{"kind":"Node","name":"n"},"node":"n","action":"power-off"},"cluster":"c"}` +
		"\n"))
	f.Add([]byte(`{"version":3,"id":"0001-x","object":{"kind":"Node","name":"n"},"node":"n","undo":{"kind":"machine",` +
		`"data":{"action":"freeze"}},"cluster":"c"}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		record, err := decodeRecord(content, testUndos())
		if err != nil {
			return
		}
		undoing, err := testUndos().Decode(record)
		if err != nil {
			t.Errorf("accepted a record that cannot be decoded: %v", err)
		}
		if !record.Undo.IsZero() && (record.Node == "" || record.Cluster == "") {
			t.Errorf("accepted a record that nobody can undo: %+v", record)
		}
		if action, ok := undoing.(testUndoing); ok {
			if _, ok := action.Action.Undo(); !ok {
				t.Errorf("accepted an action that nobody can undo: %+v", record)
			}
		}
	})
}

// fakeStore keeps records in memory, or refuses them.
type fakeStore struct {
	kept   map[string][]byte // by run/id
	refuse error
}

func (f *fakeStore) Keep(_ context.Context, run, id string, record []byte) error {
	if f.refuse == nil {
		f.kept[run+"/"+id] = record
	}
	return f.refuse
}

func (f *fakeStore) Forget(_ context.Context, run, id string) error {
	delete(f.kept, run+"/"+id)
	return nil
}

func TestAStoreHasWhatIsOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	journal, err := OpenJournal(dir, testUndos())
	if err != nil {
		t.Fatal(err)
	}
	store := &fakeStore{kept: map[string][]byte{}}
	journal.StoreIn(store)
	record := aRecord("lose", "n1", cluster.PowerOff)
	written, err := journal.Write(record)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := decodeRecord(store.kept["run-1/"+written.ID], testUndos())
	if diff := cmp.Diff(written, decoded); diff != "" || err != nil {
		t.Errorf("the store has another record, %v (-want +got):\n%s", err, diff)
	}
	if err := journal.Done(written.ID); err != nil || len(store.kept) > 0 {
		t.Errorf("what is done is still kept: %v, %v", store.kept, err)
	}
	store.refuse = errors.New("the API server is away")
	if _, err := journal.Write(record); !errors.Is(err, store.refuse) {
		t.Errorf("a record that no store has: %v", err)
	}
	if pending, err := Pending(dir, testUndos()); len(pending) > 0 || err != nil {
		t.Errorf("a record of what never begins is open: %v, %v", pending, err)
	}
}
