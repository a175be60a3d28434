package witness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// ignoreTook leaves out how long it took to read.
var ignoreTook = cmpopts.IgnoreFields(history.CollectionData{}, "Took")

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
	if diff := cmp.Diff(history.CollectionData{Node: "worker-1", Files: 2, Records: 5, Writers: []history.WriterData{
		{PodUID: "a", Records: 4, First: 1, Last: 4}, {PodUID: "b", Records: 1, First: 1, Last: 1},
	}}, data, ignoreTook); diff != "" {
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
			data.Errors, data.Writers = nil, nil
			tc.want.Node = "n"
			if diff := cmp.Diff(tc.want, data, ignoreTook); diff != "" {
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
		{"unreadable file", fakeBrokenDisk{fstest.MapFS{"w/a.ndjson": good, "w/b.ndjson": good}, "w/b.ndjson"}, 1,
			[]string{"/w/b.ndjson", "input/output error"}},
		{"unreadable directory", fakeBrokenDisk{fstest.MapFS{"w/a.ndjson": good, "w/sub/b.ndjson": good}, "w/sub"}, 1,
			[]string{"/w/sub", "input/output error"}},
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

func TestCollectSaysWhatEachProcessLeft(t *testing.T) {
	t.Parallel()
	holed := text(t, record("h", 2), record("h", 5), record("h", 4))
	disk := fstest.MapFS{
		"w/a-1.ndjson": file(text(t, record("a", 1), record("a", 2)) + `{"seq":3`),
		// A second Spark context of the same process.
		"w/a-2.ndjson": file(text(t, record("a", 3), record("a", 4))),
		"w/b2e9c0de-1111-4222-8333-444455556666-artifacts-17.ndjson": file(`{"seq"`),
		"w/empty-3.ndjson": file(""),
		"w/h-4.ndjson":     file(holed),
		"w/t-5.ndjson":     file(`{`),
		"w/unknown.ndjson": file(`{`),
	}
	var sink fakeHistory
	data, err := Collect(t.Context(), "n", disk, "/w", NewInbox(sink.add))
	if err != nil {
		t.Fatal(err)
	}
	want := history.CollectionData{Node: "n", Files: 7, Records: 7, Torn: 4, Writers: []history.WriterData{
		{PodUID: "a", Records: 4, First: 1, Last: 4, Torn: true},
		{PodUID: "b2e9c0de-1111-4222-8333-444455556666" + history.ArtifactsWriter, Torn: true},
		{PodUID: "h", Records: 3, First: 2, Last: 5},
		{PodUID: "t", Torn: true},
	}}
	if diff := cmp.Diff(want, data, ignoreTook); diff != "" {
		t.Errorf("collection (-want +got):\n%s", diff)
	}
	if len(sink.records) != 7 {
		t.Errorf("%d records handed on, want all 7", len(sink.records))
	}
}

// fakeMode shows a file with another mode than it has: what a node's own files can be, and a map of files cannot.
type fakeMode struct {
	fs.FileInfo
	mode fs.FileMode
}

func (m fakeMode) Mode() fs.FileMode { return m.mode }

// fakeTurning is a disk on which a file becomes another kind of thing between the listing and the opening.
type fakeTurning struct {
	fs.FS
	into fs.FileMode
}

func (d fakeTurning) Open(name string) (fs.File, error) {
	opened, err := d.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, FileSuffix) {
		return opened, err
	}
	return fakeTurned{opened, d.into}, nil
}

type fakeTurned struct {
	fs.File
	mode fs.FileMode
}

func (f fakeTurned) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return fakeMode{info, f.mode}, err
}

func TestCollectReadsRegularFilesOnly(t *testing.T) {
	t.Parallel()
	good := func() *fstest.MapFile { return file(text(t, record("a", 1))) }
	for name, mode := range map[string]fs.FileMode{
		"pipe": fs.ModeNamedPipe, "socket": fs.ModeSocket, "device": fs.ModeDevice | fs.ModeCharDevice, "link": fs.ModeSymlink,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			odd := good()
			odd.Mode = mode
			listed := fstest.MapFS{"w/a-1.ndjson": odd, "w/b-1.ndjson": file(text(t, record("b", 1)))}
			turned := fakeTurning{fstest.MapFS{"w/a-1.ndjson": good()}, mode}
			for _, tc := range []struct {
				disk    fs.FS
				records int
			}{{listed, 1}, {turned, 0}} {
				data, err := Collect(t.Context(), "n", tc.disk, "/w", NewInbox(new(fakeHistory).add))
				if err != nil {
					t.Fatal(err)
				}
				if data.Records != tc.records || data.Files != tc.records || len(data.Errors) != 1 ||
					!strings.Contains(data.Errors[0], "/w/a-1.ndjson is not read: it is no regular file") {
					t.Errorf("collection %+v, want %d records and that the other file is no regular one", data, tc.records)
				}
			}
		})
	}
}

func TestCollectIsBounded(t *testing.T) {
	t.Parallel()
	one := text(t, record("a", 1))
	size := int64(len(one))
	disk := fstest.MapFS{"w/a-1.ndjson": file(one), "w/b-1.ndjson": file(text(t, record("b", 1))),
		"w/c-1.ndjson": file(text(t, record("c", 1)))}
	for name, tc := range map[string]struct {
		most    bounds
		records int
		want    string
	}{
		"within":     {bounds{3, size, 3 * size}, 3, ""},
		"files":      {bounds{2, size, 3 * size}, 2, "/w/c-1.ndjson is not read"},
		"file bytes": {bounds{3, size - 1, 3 * size}, 0, "at most"},
		"node bytes": {bounds{3, size, 2*size + 1}, 2, "/w/c-1.ndjson is not read: it has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := collect(t.Context(), "n", disk, "/w", NewInbox(new(fakeHistory).add), tc.most)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(data.Errors, "\n"); data.Records != tc.records || (tc.want == "") != (got == "") ||
				!strings.Contains(got, tc.want) {
				t.Errorf("collection %+v, want %d records and errors with %q", data, tc.records, tc.want)
			}
		})
	}
	// A file without end says that it is short.
	grown := fakeGrowing{fstest.MapFS{"w/a-1.ndjson": file(one)}}
	data, err := collect(t.Context(), "n", grown, "/w", NewInbox(new(fakeHistory).add), bounds{3, 10 * MaxLineBytes, 10 * MaxLineBytes})
	if got := strings.Join(data.Errors, "\n"); err != nil || !strings.Contains(got, "it has grown") ||
		!strings.Contains(got, "line too long") {
		t.Errorf("collection of a file without end: %.500v, %v", data.Errors, err)
	}
}

// fakeGrowing is a disk whose files never end.
type fakeGrowing struct{ fs.FS }

func (d fakeGrowing) Open(name string) (fs.File, error) {
	opened, err := d.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, FileSuffix) {
		return opened, err
	}
	return fakeEndless{opened}, nil
}

type fakeEndless struct{ fs.File }

func (fakeEndless) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = 'x'
	}
	return len(into), nil
}

// fakeHung is a disk on which something never returns.
type fakeHung struct {
	fs.FS
	opening string        // the opening of this one
	reading string        // reads of this one
	until   chan struct{} // released
}

func (d fakeHung) Open(name string) (fs.File, error) {
	if name == d.opening {
		<-d.until
	}
	opened, err := d.FS.Open(name)
	if err == nil && name == d.reading {
		return fakeHungFile{opened, d.until}, nil
	}
	return opened, err
}

type fakeHungFile struct {
	fs.File
	until chan struct{}
}

func (f fakeHungFile) Read(into []byte) (int, error) {
	<-f.until
	return f.File.Read(into)
}

func TestAHungDiskEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, hung := range map[string]fakeHung{
		"listing": {opening: "w"}, "opening": {opening: "w/b-1.ndjson"}, "reading": {reading: "w/b-1.ndjson"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			until := make(chan struct{})
			t.Cleanup(func() { close(until) })
			hung.FS, hung.until = fstest.MapFS{"w/a-1.ndjson": file(text(t, record("a", 1))), "w/b-1.ndjson": file(text(t, record("b", 1)))}, until
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			data, err := Collect(ctx, "n", hung, "w", NewInbox(new(fakeHistory).add))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Collect = %+v, %v, want that its time is up", data, err)
			}
		})
	}
}

func TestCollectEndsWithItsSinkAndItsContext(t *testing.T) {
	t.Parallel()
	disk := fstest.MapFS{"w/a.ndjson": file(text(t, record("a", 1)))}
	full := errors.New("disk full")
	sink := fakeHistory{err: full}
	if _, err := Collect(t.Context(), "worker-3", disk, "w", NewInbox(sink.add)); !errors.Is(err, full) ||
		!strings.Contains(err.Error(), "worker-3") {
		t.Errorf("Collect with a failing sink = %v, want the sink's error and the node's name", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(ctx, "n", disk, "w", NewInbox(new(fakeHistory).add)); !errors.Is(err, context.Canceled) {
		t.Errorf("Collect in a cancelled context = %v, want that it was cancelled", err)
	}
}
