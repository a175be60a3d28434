package witness

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// fakeHistory is a sink that keeps what it is given.
type fakeHistory struct {
	records []history.WitnessRecord
	err     error
}

func (f *fakeHistory) add(r history.WitnessRecord) error {
	if f.err != nil {
		return f.err
	}
	f.records = append(f.records, r)
	return nil
}

func TestInboxHandsOnEachRecordOnce(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	inbox := NewInbox(sink.add)
	random := rand.New(rand.NewPCG(1, 2))
	var sequence []int64
	for range 3 {
		for seq := range int64(300) {
			sequence = append(sequence, seq+1)
		}
	}
	random.Shuffle(len(sequence), func(i, j int) { sequence[i], sequence[j] = sequence[j], sequence[i] })
	var wait sync.WaitGroup
	for _, pod := range []string{"a", "b"} {
		for half := range 2 {
			wait.Go(func() {
				for i := half; i < len(sequence); i += 2 {
					if _, err := inbox.Take(record(pod, sequence[i])); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	got := map[string]map[int64]int{"a": {}, "b": {}}
	for _, r := range sink.records {
		got[r.PodUID][r.Seq]++
	}
	want := map[int64]int{}
	for seq := range int64(300) {
		want[seq+1] = 1
	}
	if diff := cmp.Diff(map[string]map[int64]int{"a": want, "b": want}, got); diff != "" {
		t.Errorf("how often each record was handed on (-want +got):\n%s", diff)
	}
	if n := inbox.blocks; n != 6 {
		t.Errorf("300 numbers of each of two pods are kept in %d blocks, want 3 each", n)
	}
}

func TestInboxTakesARecordAgainThatItsSinkFailed(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	sink := fakeHistory{err: full}
	inbox := NewInbox(sink.add)
	if taken, err := inbox.Take(record("a", 1)); taken != 0 || !errors.Is(err, full) {
		t.Errorf("Take with a failing sink = %v, %v; want no outcome and the sink's error", taken, err)
	}
	sink.err = nil
	if taken, err := inbox.Take(record("a", 1)); taken != Accepted || err != nil {
		t.Errorf("Take after the sink recovered = %v, %v; want that it is accepted", taken, err)
	}
}

// fakeRecord is a history: conflicts and records in the order in which they were told.
type fakeRecord struct{ told []string }

func (f *fakeRecord) add(r history.WitnessRecord) error {
	f.told = append(f.told, fmt.Sprintf("%s %d %s %s", r.PodUID, r.Seq, r.Type, r.Via))
	return nil
}

func (f *fakeRecord) conflict(c history.ConflictData) error {
	f.told = append(f.told, fmt.Sprintf("conflict %s %d on %s", c.PodUID, c.Seq, c.Node))
	return nil
}

func TestTheDiskIsBelieved(t *testing.T) {
	t.Parallel()
	version := func(kind, via string) history.WitnessRecord {
		r := record("a", 7)
		r.Type, r.Via = kind, via
		return r
	}
	const conflict = "conflict a 7 on worker-1"
	for name, tc := range map[string]struct {
		given    []history.WitnessRecord
		outcomes []Outcome
		told     []string
	}{
		"the disk confirms": {
			[]history.WitnessRecord{version("x", ViaHTTP), version("x", ViaDisk), version("x", ViaHTTP)},
			[]Outcome{Accepted, Duplicate, Duplicate}, []string{"a 7 x http"},
		},
		"a forged record came first": {
			[]history.WitnessRecord{version("forged", ViaHTTP), version("x", ViaDisk)},
			[]Outcome{Accepted, Conflict}, []string{"a 7 forged http", conflict, "a 7 x disk"},
		},
		"a forged record came first, and the genuine one by HTTP": {
			[]history.WitnessRecord{version("forged", ViaHTTP), version("x", ViaHTTP), version("x", ViaHTTP), version("x", ViaDisk),
				version("x", ViaDisk), version("forged", ViaHTTP)},
			[]Outcome{Accepted, Conflict, Conflict, Conflict, Duplicate, Conflict}, []string{"a 7 forged http", conflict, "a 7 x disk"},
		},
		"a forged record came second": {
			[]history.WitnessRecord{version("x", ViaHTTP), version("forged", ViaHTTP), version("x", ViaDisk)},
			[]Outcome{Accepted, Conflict, Duplicate}, []string{"a 7 x http", conflict},
		},
		"a forged record came after the disk was read": {
			[]history.WitnessRecord{version("x", ViaDisk), version("forged", ViaHTTP)},
			[]Outcome{Accepted, Conflict}, []string{"a 7 x disk", conflict},
		},
		"two versions on the disk": {
			[]history.WitnessRecord{version("x", ViaDisk), version("y", ViaDisk)},
			[]Outcome{Accepted, Conflict}, []string{"a 7 x disk", conflict},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var record fakeRecord
			inbox := NewInbox(record.add, WithConflicts(record.conflict))
			var outcomes []Outcome
			for _, r := range tc.given {
				outcome, err := inbox.Take(r)
				if err != nil {
					t.Fatal(err)
				}
				outcomes = append(outcomes, outcome)
			}
			if diff := cmp.Diff(tc.outcomes, outcomes); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.told, record.told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnyFieldMakesAConflict has two records that differ in one field, each field in turn: none may be forged unnoticed.
func TestAnyFieldMakesAConflict(t *testing.T) {
	t.Parallel()
	one := int64(1)
	fields := reflect.TypeFor[history.WitnessRecord]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		changed := record("a", 1)
		switch value := reflect.ValueOf(&changed).Elem().Field(i); field.Name {
		case "Seq", "PodUID": // they make it another record
			continue
		case "Via": // not the plugin's
			continue
		default:
			switch value.Interface().(type) {
			case string:
				value.SetString("other")
			case int64:
				value.SetInt(5)
			case *int64:
				value.Set(reflect.ValueOf(&one))
			case map[string]string:
				value.Set(reflect.ValueOf(map[string]string{"a": "b"}))
			default:
				t.Fatalf("field %s has a type that this test does not know", field.Name)
			}
		}
		inbox := NewInbox(new(fakeRecord).add, WithConflicts(new(fakeRecord).conflict))
		if _, err := inbox.Take(record("a", 1)); err != nil {
			t.Fatal(err)
		}
		if outcome, err := inbox.Take(changed); outcome != Conflict || err != nil {
			t.Errorf("another %s: %v, %v, want a conflict", field.Name, outcome, err)
		}
	}
}

func TestAnInboxWithoutConflictsHandsOnBothVersions(t *testing.T) {
	t.Parallel()
	var got fakeRecord
	inbox := NewInbox(got.add)
	for _, kind := range []string{"x", "y", "x", "z", "y"} {
		r := record("a", 1)
		r.Type = kind
		if _, err := inbox.Take(r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a 1 x ", "a 1 y "}, got.told); diff != "" {
		t.Errorf("handed on (-want +got):\n%s", diff)
	}
}

func TestConflictsAmongPostedRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var got fakeRecord
	inbox := NewInbox(new(fakeRecord).add, WithConflicts(got.conflict))
	for seq := range int64(maxConflicts + 10) {
		forged := record("a", seq+1)
		forged.Via = ViaHTTP
		if _, err := inbox.Take(forged); err != nil {
			t.Fatal(err)
		}
		forged.Type = "forged"
		if _, err := inbox.Take(forged); (err != nil) != (seq >= maxConflicts) || err != nil && !errors.Is(err, ErrQuota) {
			t.Errorf("conflict %d: %v", seq+1, err)
		}
	}
	for seq := range int64(maxConflicts + 10) {
		genuine := record("a", seq+1)
		genuine.Type, genuine.Via = "genuine", ViaDisk
		if outcome, err := inbox.Take(genuine); outcome != Conflict || err != nil {
			t.Errorf("the disk's record %d: %v, %v, want a conflict", seq+1, outcome, err)
		}
	}
	if len(got.told) != maxConflicts+10 {
		t.Errorf("%d conflicts told, want one for each record of the disk", len(got.told))
	}
}

func TestInboxIsBounded(t *testing.T) {
	t.Parallel()
	size := func(r history.WitnessRecord) int64 {
		encoded, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		return int64(len(encoded))
	}
	one := size(record("a", 1))
	far := DefaultLimits()
	for name, tc := range map[string]struct {
		change func(*Limits)
		given  []history.WitnessRecord
		taken  int // of those by HTTP; the rest is refused
		disk   int // of those from disks
	}{
		"pods": {func(l *Limits) { l.Pods = 2 }, []history.WitnessRecord{record("a", 1), record("b", 1), record("c", 1)}, 2, 2},
		"blocks": {func(l *Limits) { l.Blocks = 2 },
			[]history.WitnessRecord{record("a", 1), record("a", 2), record("b", 1), record("b", 1000)}, 3, 3},
		"blocks of a pod": {func(l *Limits) { l.PodBlocks = 2 },
			[]history.WitnessRecord{record("a", 1), record("a", math.MaxInt64), record("a", 1000), record("b", 1)}, 3, 3},
		"bytes of a pod": {func(l *Limits) { l.PodBytes = 2*one + 1 },
			[]history.WitnessRecord{record("a", 1), record("a", 2), record("a", 3), record("b", 1)}, 3, 4},
		"bytes": {func(l *Limits) { l.Bytes = 2*one + 1 }, []history.WitnessRecord{record("a", 1), record("b", 1), record("a", 2)}, 2,
			3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := far
			tc.change(&limits)
			for via, want := range map[string]int{ViaHTTP: tc.taken, ViaDisk: tc.disk} {
				var got fakeRecord
				inbox := NewInbox(got.add, WithLimits(limits))
				for _, r := range tc.given {
					r.Via = via
					if _, err := inbox.Take(r); err != nil && (!errors.Is(err, ErrQuota) || !refused(err)) {
						t.Errorf("record %d of pod %s: %v, want %v", r.Seq, r.PodUID, err, ErrQuota)
					}
				}
				if len(got.told) != want {
					t.Errorf("by %s: %d records taken (%q), want %d", via, len(got.told), got.told, want)
				}
			}
		})
	}
}

// TestOddSequencesAreCheap has numbers in the orders that make a sorted list slow, and far apart.
func TestOddSequencesAreCheap(t *testing.T) {
	t.Parallel()
	inbox := NewInbox(func(history.WitnessRecord) error { return nil })
	const many = 50_000
	for n := int64(2 * many); n > 0; n -= 2 {
		if outcome, err := inbox.Take(record("a", n)); outcome != Accepted || err != nil {
			t.Fatalf("record %d: %v, %v", n, outcome, err)
		}
	}
	if inbox.blocks != 2*many/blockNumbers+1 {
		t.Errorf("%d blocks, want one for each %d numbers", inbox.blocks, blockNumbers)
	}
	limits := DefaultLimits()
	for n := range int64(2 * limits.PodBlocks) {
		if _, err := inbox.Take(record("b", n*blockNumbers+1)); err != nil && !errors.Is(err, ErrQuota) {
			t.Fatal(err)
		}
	}
	if got := len(inbox.pods["b"].blocks); got != limits.PodBlocks {
		t.Errorf("%d blocks of one pod, want %d", got, limits.PodBlocks)
	}
}

func TestARecordThatTheHistoryRefusesIsNotGivenToItAgain(t *testing.T) {
	t.Parallel()
	given := 0
	inbox := NewInbox(func(history.WitnessRecord) error {
		given++
		return fmt.Errorf("too large: %w", history.ErrRefused)
	})
	if _, err := inbox.Take(record("a", 1)); !refused(err) {
		t.Errorf("%v, want that the record is refused", err)
	}
	if outcome, err := inbox.Take(record("a", 1)); outcome != Duplicate || err != nil || given != 1 {
		t.Errorf("given again: %v, %v, and to the history %d times; want a duplicate, and once", outcome, err, given)
	}
}

// TestInboxAgainstTheRules compares an inbox with the rules, which are simple where memory is no object.
func TestInboxAgainstTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var got, want fakeRecord
		inbox := NewInbox(got.add, WithConflicts(got.conflict))
		type seen struct {
			kind       string
			disk, told bool
		}
		known := map[string]*seen{}
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			r := record(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pod"),
				rapid.SampledFrom([]int64{1, 2, 127, 128, 129, math.MaxInt64}).Draw(t, "seq"))
			r.Type = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "type")
			r.Via = rapid.SampledFrom([]string{ViaHTTP, ViaDisk}).Draw(t, "via")
			if _, err := inbox.Take(r); err != nil {
				t.Fatal(err)
			}
			key, disk := fmt.Sprint(r.PodUID, r.Seq), r.Via == ViaDisk
			before := known[key]
			switch {
			case before == nil:
				known[key] = &seen{kind: r.Type, disk: disk}
				_ = want.add(r)
				continue
			case before.kind == r.Type:
				before.disk = before.disk || disk
				continue
			case !before.told:
				before.told = true
				_ = want.conflict(history.ConflictData{PodUID: r.PodUID, Seq: r.Seq, Node: r.Node})
			}
			if disk && !before.disk {
				before.kind, before.disk = r.Type, true
				_ = want.add(r)
			}
		}
		if diff := cmp.Diff(want.told, got.told); diff != "" {
			t.Fatalf("told (-want +got):\n%s", diff)
		}
	})
}
