package advise

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// Measurement is what one run showed of a delay.
type Measurement struct {
	Took time.Duration
	Open bool   // it lasted longer than that: the record ended before it did
	Not  string // why the run does not count; empty if it does
}

// String returns the measurement as a table shows it.
func (m Measurement) String() string {
	var words []string
	switch {
	case m.Open:
		words = append(words, "more than "+wording.Duration(m.Took))
	case m.Took > 0:
		words = append(words, wording.Duration(m.Took))
	}
	if m.Not != "" {
		words = append(words, "not counted")
	}
	return strings.Join(words, ", ")
}

// Proof compares runs without and with a change.
type Proof struct {
	Advice        Advice
	Without, With []Measurement
}

// ProofOutcome is what a comparison came to.
type ProofOutcome string

// The outcomes of a comparison.
const (
	Shorter ProofOutcome = "shorter" // each run with the change was shorter than each run without it
	Longer  ProofOutcome = "longer"  // each run with the change was longer than each run without it
	// Undecided is the outcome of too few runs, of those whose times overlap, and of a difference that may be chance.
	Undecided ProofOutcome = "undecided"
)

const (
	// leastRuns is how many runs of each side must count: one of each says nothing about how much runs differ by themselves.
	leastRuns = 2
	// manyOrders is in how many orders runs can come so that theirs is none that chance often gives: three of each come in 20.
	manyOrders = 20
)

// side are the measurements of one side that count, in their order. Open ones are those that took longest.
type side []Measurement

func sideOf(all []Measurement) side {
	s := side(slices.DeleteFunc(slices.Clone(all), func(m Measurement) bool { return m.Not != "" }))
	slices.SortStableFunc(s, func(a, b Measurement) int {
		return cmp.Or(compare(a.Open, b.Open), cmp.Compare(a.Took, b.Took))
	})
	return s
}

// median returns the time in the middle; open if it was not seen to its end.
func (s side) median() Measurement {
	low, high := s[(len(s)-1)/2], s[len(s)/2]
	return Measurement{Took: (low.Took + high.Took) / 2, Open: low.Open || high.Open}
}

// least returns the shortest time that a run can have taken.
func (s side) least() time.Duration {
	shortest := s[0].Took
	for _, m := range s {
		shortest = min(shortest, m.Took)
	}
	return shortest
}

// text returns the median with the range and the number of runs.
func (s side) text() string {
	return fmt.Sprintf("%s in the median (%s to %s in %s)", s.median(), wording.Duration(s.least()), s[len(s)-1], wording.Count(len(s), "run"))
}

// most returns the longest time that was seen.
func (s side) most() time.Duration {
	longest := s[0].Took
	for _, m := range s {
		longest = max(longest, m.Took)
	}
	return longest
}

// below reports whether all runs of a side were shorter than all of another one.
func (s side) below(other side) bool { return !s[len(s)-1].Open && s.most() < other.least() }

// farBelow reports whether they were so by more than chance may give: by more than runs of one side differ, or in many runs.
func (s side) farBelow(other side) bool {
	if !s.below(other) || other.median().Took-s.median().Took < least {
		return false
	}
	among := max(s.most()-s.least(), other.most()-other.least())
	return other.least()-s.most() > among || orders(len(s), len(other)).Cmp(big.NewInt(manyOrders)) >= 0
}

// Outcome returns what the comparison came to.
func (p Proof) Outcome() ProofOutcome {
	without, with := sideOf(p.Without), sideOf(p.With)
	switch {
	case len(without) < leastRuns || len(with) < leastRuns:
		return Undecided
	case with.farBelow(without):
		return Shorter
	case without.farBelow(with):
		return Longer
	default:
		return Undecided
	}
}

// Text returns what was measured, how it compares with what was predicted, what that proves, and which runs do not count.
func (p Proof) Text() string {
	without, with := sideOf(p.Without), sideOf(p.With)
	var lines []string
	if len(without) > 0 && len(with) > 0 {
		lines = append(lines, fmt.Sprintf("Without the change %s takes %s.", p.Advice.Delay.Name, without.text()),
			fmt.Sprintf("With the change it takes %s.", with.text()), p.difference(without.median(), with.median()))
	}
	lines = append(lines, p.conclusion(without, with))
	lines = append(lines, notCounted("without", p.Without)...)
	lines = append(lines, notCounted("with", p.With)...)
	return strings.Join(lines, "\n")
}

// notCounted says which runs of a side do not count, and why.
func notCounted(side string, all []Measurement) []string {
	var lines []string
	for i, m := range all {
		if m.Not != "" {
			lines = append(lines, fmt.Sprintf("Not counted: run %d %s the change: %s.", i+1, side, m.Not))
		}
	}
	return lines
}

// difference compares the medians, and their difference with the prediction.
func (p Proof) difference(without, with Measurement) string {
	predicted := fmt.Sprintf("Predicted: %s less", wording.Duration(p.Advice.Gain))
	if without.Open || with.Open {
		return "Difference of the medians: not known, since runs ended before the delay did. " + predicted + "."
	}
	gained := without.Took - with.Took
	direction := "less"
	if gained < 0 {
		direction = "more"
	}
	off := 100 * (gained - p.Advice.Gain).Seconds() / p.Advice.Gain.Seconds()
	return fmt.Sprintf("Difference of the medians: %s %s. %s, which is off by %+.0f %%.", wording.Duration(max(gained, -gained)), direction,
		predicted, off)
}

// conclusion says what the comparison proves.
func (p Proof) conclusion(without, with side) string {
	switch p.Outcome() {
	case Shorter:
		return fmt.Sprintf("Proven: every run with the change was shorter than every run without it.\n%s", byChance(len(without), len(with)))
	case Longer:
		return fmt.Sprintf("Disproven: every run with the change was longer than every run without it.\n%s", byChance(len(without), len(with)))
	case Undecided:
	}
	if len(without) < leastRuns || len(with) < leastRuns {
		return fmt.Sprintf("Inconclusive: %s without and %s with the change count, and at least %d of each are needed; --repeat makes more.",
			wording.Count(len(without), "run"), wording.Count(len(with), "run"), leastRuns)
	}
	if with.below(without) || without.below(with) {
		return "Inconclusive: the difference is too small beside those between runs of one side; more runs, by --repeat, may prove it."
	}
	return "Inconclusive: the times of runs with and without the change overlap; more runs, by --repeat, may tell them apart."
}

// byChance says how often runs that do not differ come in the same order.
func byChance(without, with int) string {
	return fmt.Sprintf("If the change had no effect, 1 of %s such comparisons would come out so.", orders(without, with))
}

// orders returns in how many orders the runs of two sides can come.
func orders(without, with int) *big.Int {
	return new(big.Int).Binomial(int64(without+with), int64(with))
}
