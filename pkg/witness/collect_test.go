package witness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

// fakeBrokenDisk is a disk on which one file cannot be opened.
type fakeBrokenDisk struct {
	fs.FS
	broken string
}

func (f fakeBrokenDisk) Open(name string) (fs.File, error) {
	if name == f.broken {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("input/output error")}
	}
	return f.FS.Open(name)
}

func TestCollectMergesWithWhatCameByHTTP(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	inbox := NewInbox(sink.add)
	for _, seq := range []int64{1, 3} {
		r := record("a", seq)
		r.Via = ViaHTTP
		if _, err := inbox.Take(r); err != nil {
			t.Fatal(err)
		}
	}
	disk := fstest.MapFS{
		"var/witness/a-17.ndjson":   file(text(t, record("a", 1), record("a", 2), record("a", 3), record("a", 4))),
		"var/witness/x/b-18.ndjson": file(text(t, record("b", 1))),
		"var/witness/notes.txt":     file("not a record"),
		"var/other/c-1.ndjson":      file(text(t, record("c", 1))),
	}
	data, err := Collect(t.Context(), "worker-1", disk, "/var/witness/", inbox)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(history.CollectionData{Node: "worker-1", Files: 2, Records: 5}, data); diff != "" {
		t.Errorf("collection (-want +got):\n%s", diff)
	}
	var got []string
	for _, r := range sink.records {
		got = append(got, fmt.Sprintf("%s %d %s", r.PodUID, r.Seq, r.Via))
	}
	if diff := cmp.Diff([]string{"a 1 http", "a 3 http", "a 2 disk", "a 4 disk", "b 1 disk"}, got); diff != "" {
		t.Errorf("records handed on (-want +got):\n%s", diff)
	}
}

func TestCollectCountsWhatAPowerLossTore(t *testing.T) {
	t.Parallel()
	whole := text(t, record("a", 1), record("a", 2))
	for _, tc := range []struct {
		name, content string
		want          history.CollectionData
		errors        string
	}{
		{"empty", "", history.CollectionData{Files: 1}, ""},
		{"torn in the middle of a record", whole[:len(whole)-20], history.CollectionData{Files: 1, Records: 1, Torn: 1}, ""},
		{"only the newline is missing", strings.TrimSuffix(whole, "\n"), history.CollectionData{Files: 1, Records: 2}, ""},
		{"blocks that were never written", whole + strings.Repeat("\x00", 512), history.CollectionData{Files: 1, Records: 2, Torn: 1}, ""},
		{"bad line within", "{\n" + whole, history.CollectionData{Files: 1, Records: 2}, "/w/a.ndjson: line 1: not a JSON object"},
		{"endless last line", whole + strings.Repeat("x", MaxLineBytes+1), history.CollectionData{Files: 1, Records: 2}, "line 3: line too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var sink fakeHistory
			data, err := Collect(t.Context(), "n", fstest.MapFS{"w/a.ndjson": file(tc.content)}, "w", NewInbox(sink.add))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(data.Errors, "\n"); (tc.errors == "") != (got == "") || !strings.Contains(got, tc.errors) {
				t.Errorf("errors %q, want %q", got, tc.errors)
			}
			data.Errors = nil
			tc.want.Node = "n"
			if diff := cmp.Diff(tc.want, data); diff != "" {
				t.Errorf("collection (-want +got):\n%s", diff)
			}
			if len(sink.records) != data.Records {
				t.Errorf("%d records handed on, %d counted", len(sink.records), data.Records)
			}
		})
	}
}

func TestCollectSaysWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	good := file(text(t, record("a", 1)))
	many := fstest.MapFS{}
	many["w/a.ndjson"] = file(strings.Repeat("[]\n", maxNamedErrors+5))
	for _, tc := range []struct {
		name    string
		disk    fs.FS
		records int
		want    []string
	}{
		{"no directory", fstest.MapFS{"var/x": good}, 0, []string{"witness directory is missing"}},
		{"unreadable file", fakeBrokenDisk{fstest.MapFS{"w/a.ndjson": good, "w/b.ndjson": good}, "w/b.ndjson"}, 1, []string{"/w/b.ndjson", "input/output error"}},
		{"unreadable directory", fakeBrokenDisk{fstest.MapFS{"w/a.ndjson": good, "w/sub/b.ndjson": good}, "w/sub"}, 1, []string{"/w/sub", "input/output error"}},
		{"many errors", many, 0, []string{"line 20:", "and 5 more errors"}},
		{
			"two processes of one pod", fstest.MapFS{"w/a-1.ndjson": good, "w/a-2.ndjson": good}, 1,
			[]string{"/w/a-1.ndjson", "/w/a-2.ndjson", "restarted within the pod"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var sink fakeHistory
			data, err := Collect(t.Context(), "n", tc.disk, "/w", NewInbox(sink.add))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(data.Errors, "\n")
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("errors %q, want %q", got, want)
				}
			}
			if data.Records != tc.records || len(sink.records) != tc.records {
				t.Errorf("%d records counted, %d handed on, want %d", data.Records, len(sink.records), tc.records)
			}
		})
	}
}

func TestCollectEndsWithItsSinkAndItsContext(t *testing.T) {
	t.Parallel()
	disk := fstest.MapFS{"w/a.ndjson": file(text(t, record("a", 1)))}
	full := errors.New("disk full")
	sink := fakeHistory{err: full}
	if _, err := Collect(t.Context(), "worker-3", disk, "w", NewInbox(sink.add)); !errors.Is(err, full) || !strings.Contains(err.Error(), "worker-3") {
		t.Errorf("Collect with a failing sink = %v, want the sink's error and the node's name", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(ctx, "n", disk, "w", NewInbox(new(fakeHistory).add)); !errors.Is(err, context.Canceled) {
		t.Errorf("Collect in a cancelled context = %v, want that it was cancelled", err)
	}
}
