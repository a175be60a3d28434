package advise_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
)

// took returns measurements of so many seconds each.
func took(seconds ...float64) []advise.Measurement {
	var all []advise.Measurement
	for _, s := range seconds {
		all = append(all, advise.Measurement{Took: time.Duration(s * float64(time.Second))})
	}
	return all
}

func TestProof(t *testing.T) {
	t.Parallel()
	open := advise.Measurement{Took: 200 * time.Second, Open: true}
	not := advise.Measurement{Took: time.Second, Not: "inconclusive, the fault did not land"}
	for name, tt := range map[string]struct {
		without, with []advise.Measurement
		outcome       advise.ProofOutcome
		text          string
	}{
		"shorter": {took(130, 150, 140), took(21, 19), advise.Shorter,
			`Without the change loss noticed by Spark takes 2m20s in the median (2m10s to 2m30s in 3 runs).
With the change it takes 20s in the median (19s to 21s in 2 runs).
Difference of the medians: 2m0s less. Predicted: 1m40s less, which is off by +20 %.
Proven: every run with the change was shorter than every run without it.
If the change had no effect, 1 of 10 such comparisons would come out so.`},
		"longer": {took(20, 22), took(120, 122), advise.Longer,
			`Without the change loss noticed by Spark takes 21s in the median (20s to 22s in 2 runs).
With the change it takes 2m1s in the median (2m0s to 2m2s in 2 runs).
Difference of the medians: 1m40s more. Predicted: 1m40s less, which is off by -200 %.
Disproven: every run with the change was longer than every run without it.
If the change had no effect, 1 of 6 such comparisons would come out so.`},
		"the times overlap": {took(130, 20), took(21, 19), advise.Undecided,
			`Without the change loss noticed by Spark takes 1m15s in the median (20s to 2m10s in 2 runs).
With the change it takes 20s in the median (19s to 21s in 2 runs).
Difference of the medians: 55s less. Predicted: 1m40s less, which is off by -45 %.
Inconclusive: the times of runs with and without the change overlap; more runs, by --repeat, may tell them apart.`},
		"equal times are no difference": {took(20, 20), took(20, 20), advise.Undecided,
			`Without the change loss noticed by Spark takes 20s in the median (20s to 20s in 2 runs).
With the change it takes 20s in the median (20s to 20s in 2 runs).
Difference of the medians: 0s less. Predicted: 1m40s less, which is off by -100 %.
Inconclusive: the times of runs with and without the change overlap; more runs, by --repeat, may tell them apart.`},
		"a difference as between runs of one side": {took(25, 21), took(20, 20), advise.Undecided,
			`Without the change loss noticed by Spark takes 23s in the median (21s to 25s in 2 runs).
With the change it takes 20s in the median (20s to 20s in 2 runs).
Difference of the medians: 3s less. Predicted: 1m40s less, which is off by -97 %.
Inconclusive: the difference is too small beside those between runs of one side; more runs, by --repeat, may prove it.`},
		"that difference in many runs": {took(25, 21, 22), took(20, 20, 20), advise.Shorter,
			`Without the change loss noticed by Spark takes 22s in the median (21s to 25s in 3 runs).
With the change it takes 20s in the median (20s to 20s in 3 runs).
Difference of the medians: 2s less. Predicted: 1m40s less, which is off by -98 %.
Proven: every run with the change was shorter than every run without it.
If the change had no effect, 1 of 20 such comparisons would come out so.`},
		"a difference that nobody notices": {took(20.02, 20.02), took(20, 20), advise.Undecided,
			`Without the change loss noticed by Spark takes 20s in the median (20s to 20s in 2 runs).
With the change it takes 20s in the median (20s to 20s in 2 runs).
Difference of the medians: 20ms less. Predicted: 1m40s less, which is off by -100 %.
Inconclusive: the difference is too small beside those between runs of one side; more runs, by --repeat, may prove it.`},
		"one of each": {took(130), took(20), advise.Undecided,
			`Without the change loss noticed by Spark takes 2m10s in the median (2m10s to 2m10s in 1 run).
With the change it takes 20s in the median (20s to 20s in 1 run).
Difference of the medians: 1m50s less. Predicted: 1m40s less, which is off by +10 %.
Inconclusive: 1 run without and 1 run with the change count, and at least 2 of each are needed; --repeat makes more.`},
		"one side does not count": {append(took(130), not), []advise.Measurement{not, {Not: "it did not have this delay"}}, advise.Undecided,
			`Inconclusive: 1 run without and 0 runs with the change count, and at least 2 of each are needed; --repeat makes more.
Not counted: run 2 without the change: inconclusive, the fault did not land.
Not counted: run 1 with the change: inconclusive, the fault did not land.
Not counted: run 2 with the change: it did not have this delay.`},
		"no run was made": {nil, nil, advise.Undecided,
			`Inconclusive: 0 runs without and 0 runs with the change count, and at least 2 of each are needed; --repeat makes more.`},
		"open ones without the change are longer still": {[]advise.Measurement{open, open}, took(21, 19), advise.Shorter,
			`Without the change loss noticed by Spark takes more than 3m20s in the median (3m20s to more than 3m20s in 2 runs).
With the change it takes 20s in the median (19s to 21s in 2 runs).
Difference of the medians: not known, since runs ended before the delay did. Predicted: 1m40s less.
Proven: every run with the change was shorter than every run without it.
If the change had no effect, 1 of 6 such comparisons would come out so.`},
		"an open one with the change may be longer": {took(300, 310), append(took(20), open), advise.Undecided,
			`Without the change loss noticed by Spark takes 5m5s in the median (5m0s to 5m10s in 2 runs).
With the change it takes more than 1m50s in the median (20s to more than 3m20s in 2 runs).
Difference of the medians: not known, since runs ended before the delay did. Predicted: 1m40s less.
Inconclusive: the times of runs with and without the change overlap; more runs, by --repeat, may tell them apart.`},
	} {
		p := advise.Proof{
			Advice:  advise.Advice{Delay: advise.Delay{Name: "loss noticed by Spark"}, Gain: 100 * time.Second},
			Without: tt.without, With: tt.with,
		}
		if got := p.Outcome(); got != tt.outcome {
			t.Errorf("%s: %s, want %s", name, got, tt.outcome)
		}
		if diff := cmp.Diff(strings.Split(tt.text, "\n"), strings.Split(p.Text(), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestProofs compares the outcome with its definition, and expects that swapping both sides swaps it.
func TestProofs(t *testing.T) {
	t.Parallel()
	measurement := rapid.Custom(func(t *rapid.T) advise.Measurement {
		return advise.Measurement{
			Took: time.Duration(rapid.IntRange(1, 9).Draw(t, "seconds")) * time.Second, Open: rapid.IntRange(0, 5).Draw(t, "open") == 0,
			Not: rapid.SampledFrom([]string{"", "", "", "no"}).Draw(t, "not"),
		}
	})
	swapped := map[advise.ProofOutcome]advise.ProofOutcome{
		advise.Shorter: advise.Longer, advise.Longer: advise.Shorter, advise.Undecided: advise.Undecided,
	}
	rapid.Check(t, func(t *rapid.T) {
		p := advise.Proof{
			Advice:  advise.Advice{Gain: time.Second},
			Without: rapid.SliceOfN(measurement, 0, 5).Draw(t, "without"), With: rapid.SliceOfN(measurement, 0, 5).Draw(t, "with"),
		}
		got := p.Outcome()
		if back := (advise.Proof{Without: p.With, With: p.Without}).Outcome(); back != swapped[got] {
			t.Errorf("%s, and %s with the sides swapped", got, back)
		}
		counted, shorter := [2]int{}, true
		for i, side := range [][]advise.Measurement{p.Without, p.With} {
			for _, m := range side {
				if m.Not == "" {
					counted[i]++
				}
			}
		}
		for _, a := range p.Without {
			for _, b := range p.With {
				shorter = shorter && (a.Not != "" || b.Not != "" || !b.Open && b.Took < a.Took)
			}
		}
		if got == advise.Shorter && (counted[0] < 2 || counted[1] < 2 || !shorter) {
			t.Errorf("it is said to be shorter in %v runs; in all of them: %t", counted, shorter)
		}
		if got != advise.Shorter && counted[0] >= 3 && counted[1] >= 3 && shorter {
			t.Errorf("%s, and all of %v runs are shorter", got, counted)
		}
		if p.Text() == "" {
			t.Error("it says nothing")
		}
	})
}
