package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func makeFile(t *testing.T, path string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAJournalThatIsNoDirectory asks for journals where there cannot be one.
func TestAJournalThatIsNoDirectory(t *testing.T) {
	t.Parallel()
	file := makeFile(t, filepath.Join(t.TempDir(), "file"))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if journal, err := OpenJournal(dir, testUndos()); err == nil || !strings.HasPrefix(err.Error(), "open undo journal: ") {
			t.Errorf("%s: got %v and %v, want an error", dir, journal, err)
		}
		if records, err := Pending(dir, testUndos()); err == nil || !strings.HasPrefix(err.Error(), "read undo journal: ") || records != nil {
			t.Errorf("%s: Pending gives %v and %v, want an error", dir, records, err)
		}
	}
	if next, err := nextNumber(file); err == nil || next != 0 {
		t.Errorf("the next number is %d, %v; want an error", next, err)
	}
	if err := atomicfile.SyncDirectory(filepath.Join(file, "below")); err == nil {
		t.Error("a directory that is not there was synced")
	}
}

// TestARecordThatCannotBeReplaced has a directory stand where a file is to be.
func TestARecordThatCannotBeReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	journal := openJournal(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "0001-lose"+openSuffix, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := journal.Write(aRecord("lose", "worker-1", cluster.PowerOff))
	if err == nil || !strings.HasPrefix(err.Error(), "undo record of fault lose: ") {
		t.Errorf("got %v, want an error that names the fault", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("what could not be written is left behind: %v, %v", entries, err)
	}
	if open := journal.Open(); len(open) > 0 {
		t.Errorf("a record is open that nobody can read: %v", open)
	}
	_, err = Pending(dir, testUndos())
	var damaged *DamagedRecordError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a directory instead of a record: %v, want a DamagedRecordError", err)
	}
	var cause *os.PathError
	if !errors.As(err, &cause) {
		t.Errorf("%v does not tell its cause", err)
	}
}

// TestARecordThatCannotBeClosed stays open.
func TestARecordThatCannotBeClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	journal := openJournal(t, dir)
	first := write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
	second := write(t, journal, aRecord("cut", "worker-2", cluster.Isolate))
	if err := os.Mkdir(filepath.Join(dir, first.ID+doneSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := journal.Done(first.ID); err == nil || !strings.Contains(err.Error(), "close undo record ") {
		t.Errorf("got %v, want an error that names the record", err)
	}
	if diff := cmp.Diff([]Record{first, second}, journal.Open()); diff != "" {
		t.Errorf("open records (-want +got):\n%s", diff)
	}
	if err := journal.Done(second.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Record{first}, journal.Open()); diff != "" {
		t.Errorf("open records (-want +got):\n%s", diff)
	}
	if err := journal.Done("0009-unknown"); err != nil {
		t.Errorf("closing what is not open: %v", err)
	}
	if diff := cmp.Diff([]Record{first}, journal.Open()); diff != "" {
		t.Errorf("open records (-want +got):\n%s", diff)
	}
}

// TestAStoreForgetsTheRightRecord closes the second of two records of different runs, and one that no store ever had.
func TestAStoreForgetsTheRightRecord(t *testing.T) {
	t.Parallel()
	journal := openJournal(t, t.TempDir())
	before := write(t, journal, aRecord("before", "worker-3", cluster.PowerOff))
	store := &fakeStore{kept: map[string][]byte{}}
	journal.StoreIn(store)
	first := write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
	other := aRecord("cut", "worker-2", cluster.Isolate)
	other.Run = "run-2"
	second := write(t, journal, other)
	for _, id := range []string{before.ID, second.ID, "0009-unknown"} {
		if err := journal.Done(id); err != nil {
			t.Fatal(err)
		}
	}
	var kept []string
	for name := range store.kept {
		kept = append(kept, name)
	}
	if diff := cmp.Diff([]string{"run-1/" + first.ID}, kept); diff != "" {
		t.Errorf("kept records (-want +got):\n%s", diff)
	}
}

func TestNumbersAreNotGivenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"0003-a.done", "0007-b.json.writing", "0005-c.json.other", "99x", "notes", "0000-z.done"} {
		makeFile(t, filepath.Join(dir, name))
	}
	if next, err := nextNumber(dir); next != 8 || err != nil {
		t.Errorf("the next number is %d, %v; want 8", next, err)
	}
	if next, err := nextNumber(t.TempDir()); next != 1 || err != nil {
		t.Errorf("the first number is %d, %v; want 1", next, err)
	}
	one := t.TempDir()
	makeFile(t, filepath.Join(one, "0001-a.done"))
	if next, err := nextNumber(one); next != 2 || err != nil {
		t.Errorf("the second number is %d, %v; want 2", next, err)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"azAZ09-": "azAZ09-", "`{@[/:.": "_______", "ä ö/..": "______", "lose-Node-7": "lose-Node-7", "": "",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	sound := func() Record {
		r := aRecord("lose", "worker-1", cluster.PowerOff)
		r.Version, r.ID = recordVersion, "0001-lose"
		return r
	}
	for name, c := range map[string]struct {
		change func(*Record)
		want   string // empty: sound
	}{
		"sound":                  {func(*Record) {}, ""},
		"the oldest version":     {func(r *Record) { r.Version = 1 }, ""},
		"a version too old":      {func(r *Record) { r.Version = 0 }, "version 0: expected 1 to 3"},
		"a version too new":      {func(r *Record) { r.Version = 4 }, "version 4: expected 1 to 3"},
		"no id":                  {func(r *Record) { r.ID = "" }, `id "" cannot name a file`},
		"no cluster":             {func(r *Record) { r.Cluster = "" }, "no cluster"},
		"no node":                {func(r *Record) { r.Node = "" }, "no node"},
		"an unknown undo":        {func(r *Record) { r.Undo.Kind = "magic" }, `undo of kind "magic" is unknown: expected one of [machine late]`},
		"an undo without data":   {func(r *Record) { r.Undo.Data = nil }, "undo of kind machine: EOF"},
		"an undo with too much":  {func(r *Record) { r.Undo.Data = []byte(`{"action":"freeze","delete":true}`) }, "unknown field"},
		"an undo with two":       {func(r *Record) { r.Undo.Data = []byte(`{"action":"freeze"}{}`) }, "more than one value"},
		"nothing to be undone":   {func(r *Record) { r.Undo, r.Cluster = Undo{}, "" }, ""},
		"nothing, but a bad id":  {func(r *Record) { r.Undo, r.ID = Undo{}, "a/b" }, "cannot name a file"},
		"a power-on, not undone": {func(r *Record) { r.Undo = undoAction(cluster.PowerOn) }, "has no undoing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sound()
			c.change(&r)
			_, err := validate(r, testUndos())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestATornRecordIsNothing decodes what has no end of line.
func TestATornRecordIsNothing(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{}", `{"version":2}`} {
		if record, err := decodeRecord([]byte(content), testUndos()); err == nil || !cmp.Equal(record, Record{}) ||
			!strings.Contains(err.Error(), "torn after") {
			t.Errorf("%q gives %+v and %v, want an error", content, record, err)
		}
	}
}
