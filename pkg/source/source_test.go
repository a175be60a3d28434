package source

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

func newSource(t *testing.T, o Options) (*Source, *clocktesting.FakeClock) {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Unix(1_000_000, 0))
	o.Clock = clock
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, clock
}

// The table stands in workloads/SOURCE_PROTOCOL.md; the Java side tests the same.
func TestWordsAreThoseOfTheProtocol(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		seed       uint64
		vocabulary int
		first      string
		millionth  string
	}{
		{0, 0, "w0035 w0000 w0079 w0044 w0047", "w0050"},
		{0, 100, "w0035 w0000 w0079 w0044 w0047", "w0050"},
		{1, 100, "w0065 w0019 w0090 w0035 w0061", "w0052"},
		{42, 7, "w0005 w0005 w0000 w0002 w0006", "w0003"},
		{math.MaxUint64, 10000, "w3936 w8969 w7001 w7842 w4606", "w1944"},
	} {
		s, _ := newSource(t, Options{Seed: tc.seed, Vocabulary: tc.vocabulary, WordsPerSecond: 1})
		var first []string
		for offset := range int64(5) {
			first = append(first, s.Word(offset))
		}
		if diff := cmp.Diff(tc.first, strings.Join(first, " ")); diff != "" {
			t.Errorf("seed %d, vocabulary %d: words 0 to 4 (-want +got):\n%s", tc.seed, tc.vocabulary, diff)
		}
		if got := s.Word(1_000_000); got != tc.millionth {
			t.Errorf("seed %d, vocabulary %d: word 1000000 = %s, want %s", tc.seed, tc.vocabulary, got, tc.millionth)
		}
	}
}

func TestEndGrowsAtTheRate(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{WordsPerSecond: 3})
	start := clock.Now()
	for _, tc := range []struct {
		after time.Duration
		end   int64
	}{
		{0, 0},
		{333 * time.Millisecond, 0},
		{334 * time.Millisecond, 1},
		{time.Second, 3},
		{1999 * time.Millisecond, 5},
		{100 * 365 * 24 * time.Hour, 3 * 100 * 365 * 24 * 3600},
	} {
		clock.SetTime(start.Add(tc.after))
		if got := s.End(); got != tc.end {
			t.Errorf("end after %s = %d, want %d", tc.after, got, tc.end)
		}
	}
	clock.SetTime(start.Add(-time.Hour))
	if got := s.End(); got != 0 {
		t.Errorf("end of a clock before the start = %d, want 0", got)
	}
}

func TestUntilPastEndsExactlyWhenTheEndHasPassed(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{1, 3, 7, 999, MaxWordsPerSecond} {
		s, clock := newSource(t, Options{WordsPerSecond: rate})
		for offset := range int64(50) {
			if wait := s.untilPast(offset); wait > 0 {
				clock.Step(wait)
			}
			if got := s.End(); got != offset+1 {
				t.Fatalf("rate %d: end after waiting for offset %d = %d, want %d", rate, offset, got, offset+1)
			}
			if wait := s.untilPast(offset); wait != 0 {
				t.Fatalf("rate %d: wait for offset %d, which the end has passed = %s, want 0", rate, offset, wait)
			}
		}
		if wait := s.untilPast(math.MaxInt64); wait != maxWait {
			t.Errorf("rate %d: wait for the last offset of all = %s, want the longest single wait %s", rate, wait, maxWait)
		}
	}
}

func TestNewNamesEveryOptionOutOfRange(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{Vocabulary: -1, WordsPerSecond: 0},
		{Vocabulary: MaxVocabulary + 1, WordsPerSecond: MaxWordsPerSecond + 1},
	} {
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), "vocabulary") || !strings.Contains(err.Error(), "words per second") {
			t.Errorf("New(%+v) = %v, want an error that names both options", o, err)
		}
	}
	if _, err := New(Options{Vocabulary: MaxVocabulary, WordsPerSecond: MaxWordsPerSecond}); err != nil {
		t.Errorf("the largest options: %v", err)
	}
}
