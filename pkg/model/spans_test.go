package model

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(millis int) Moment {
	return Moment{Seq: int64(millis) + 1, At: time.UnixMilli(int64(millis))}
}

// bounds gives spans as pairs of milliseconds.
func bounds(s Spans) [][2]int {
	var all [][2]int
	for _, one := range s {
		all = append(all, [2]int{int(one.From.At.UnixMilli()), int(one.To.At.UnixMilli())})
	}
	return all
}

func TestSpans(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		add  []int
		want [][2]int
	}{
		{"nothing", nil, nil},
		{"one", []int{5}, [][2]int{{5, 5}}},
		{"beats", []int{0, 100, 200, 300}, [][2]int{{0, 300}}},
		{"a second apart is alive", []int{0, 1000}, [][2]int{{0, 1000}}},
		{"longer is not", []int{0, 1001}, [][2]int{{0, 0}, {1001, 1001}}},
		{"late records fill a hole", []int{0, 3000, 1000, 2000}, [][2]int{{0, 3000}}},
		{"before all", []int{5000, 4500, 0}, [][2]int{{0, 0}, {4500, 5000}}},
		{"within", []int{0, 1000, 500, 500}, [][2]int{{0, 1000}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s Spans
			for _, millis := range tt.add {
				s.Add(at(millis))
			}
			if diff := cmp.Diff(tt.want, bounds(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Records by HTTP and from the disk come in any order; what they prove must not depend on it.
func TestSpansDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var times []int
		for range 40 {
			times = append(times, random.IntN(40_000))
		}
		var first, second Spans
		for _, millis := range times {
			first.Add(at(millis))
		}
		random.Shuffle(len(times), func(i, j int) { times[i], times[j] = times[j], times[i] })
		for _, millis := range times {
			second.Add(at(millis))
		}
		if diff := cmp.Diff(bounds(first), bounds(second)); diff != "" {
			t.Fatalf("in another order (-first +second):\n%s", diff)
		}
		for i := range first[1:] {
			if !first[i+1].From.At.After(first[i].To.At.Add(StillAlive)) {
				t.Fatalf("spans %v are not apart", bounds(first))
			}
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	beats := func(from, to int) (s Spans) {
		for millis := from; millis <= to; millis += 100 {
			s.Add(at(millis))
		}
		return s
	}
	frozen := append(beats(0, 2000), beats(8000, 9000)...)
	tests := []struct {
		name string
		a, b Spans
		want time.Duration
	}{
		{"apart", beats(0, 1000), beats(2000, 3000), 0},
		{"touching", beats(0, 1000), beats(1000, 2000), 0},
		{"within", beats(0, 5000), beats(1000, 2000), time.Second},
		{"crossing", beats(0, 1500), beats(1000, 5000), 500 * time.Millisecond},
		{"around a freeze", frozen, beats(1000, 8500), 1500 * time.Millisecond},
		{"in the freeze", frozen, beats(3000, 7000), 0},
		{"nothing", nil, frozen, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, pair := range [][2]Spans{{tt.a, tt.b}, {tt.b, tt.a}} {
				if got := Covered(Overlaps(pair[0], pair[1])); got != tt.want {
					t.Errorf("overlap %s, want %s", got, tt.want)
				}
			}
		})
	}
}

func TestCoveredCountsTimeOnce(t *testing.T) {
	t.Parallel()
	span := func(from, to int) Overlap {
		return Overlap{start: time.UnixMilli(int64(from)), end: time.UnixMilli(int64(to))}
	}
	if got, want := Covered([]Overlap{span(500, 2000), span(0, 1000), span(100, 200)}), 2*time.Second; got != want {
		t.Errorf("covered %s, want %s", got, want)
	}
}
