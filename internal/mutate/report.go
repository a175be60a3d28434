package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/table"
)

// tried is a mutant and what became of it.
type tried struct {
	*mutant
	Outcome    outcome       `json:"outcome"`
	Took       time.Duration `json:"took"`
	Equivalent string        `json:"equivalent,omitempty"` // why no test can kill it
}

// report is what was found out about one target.
type report struct {
	target    string
	threshold float64
	total     int // mutants that build, listed ones too
	dropped   int // mutants that do not build
	tried     []tried
	listed    map[int]equivalent
	stale     []equivalent // entries of the list that match no mutant
	trying    time.Duration
	took      time.Duration
}

// tally counts the mutants that are not equivalent.
type tally struct {
	killed, timedOut, survived, notReached, equivalent int
}

func (t *tally) add(one tried) {
	switch {
	case one.Equivalent != "":
		t.equivalent++
	case one.Outcome == killed:
		t.killed++
	case one.Outcome == timedOut:
		t.timedOut++
	case one.Outcome == survived:
		t.survived++
	default:
		t.notReached++
	}
}

func (t tally) counted() int { return t.killed + t.timedOut + t.survived + t.notReached }

// score returns how many percent of the mutants the tests noticed.
func (t tally) score() float64 {
	if t.counted() == 0 {
		return 0
	}
	return 100 * float64(t.killed+t.timedOut) / float64(t.counted())
}

func (r *report) tally() tally {
	var all tally
	for _, one := range r.tried {
		all.add(one)
	}
	return all
}

// misjudged returns the mutants that a test kills although they are listed as equivalent.
func (r *report) misjudged() []tried {
	var found []tried
	for _, one := range r.tried {
		if one.Equivalent != "" && (one.Outcome == killed || one.Outcome == timedOut) {
			found = append(found, one)
		}
	}
	return found
}

// good reports whether the score reaches the threshold and the list of equivalent mutants is right. That nothing was
// tried is not good.
func (r *report) good(threshold float64) bool {
	all := r.tally()
	return all.counted() > 0 && all.score() >= threshold && len(r.stale) == 0 && len(r.misjudged()) == 0
}

func (r *report) print(out io.Writer) error {
	var survivors []tried
	files := map[string]*tally{}
	for _, one := range r.tried {
		if files[one.File] == nil {
			files[one.File] = &tally{}
		}
		files[one.File].add(one)
		if one.Equivalent == "" && (one.Outcome == survived || one.Outcome == notReached) {
			survivors = append(survivors, one)
		}
	}
	if len(survivors) > 0 {
		fmt.Fprintf(out, "\nSurvivors in %s (* no test reaches the code):\n", r.target)
		for _, one := range survivors {
			mark := " "
			if one.Outcome == notReached {
				mark = "*"
			}
			fmt.Fprintln(out, mark, one.mutant)
		}
	}
	fmt.Fprintln(out)
	if err := r.printTable(out, files); err != nil {
		return err
	}
	for _, e := range r.stale {
		fmt.Fprintf(out, "listed as equivalent, but there is no such mutant any more: %s\n", e)
	}
	for _, one := range r.misjudged() {
		fmt.Fprintf(out, "listed as equivalent, but a test kills it: %s\n", one.mutant)
	}
	all := r.tally()
	perMutant := time.Duration(0)
	if len(r.tried) > 0 {
		perMutant = r.trying / time.Duration(len(r.tried))
	}
	_, err := fmt.Fprintf(out, "%s: score %.1f %% (threshold %g %%): %d of %d mutants noticed; %d of %d tried, %d equivalent, %d did not "+
		"build; %s in all, %s a mutant\n",
		r.target, all.score(), r.threshold, all.killed+all.timedOut, all.counted(), len(r.tried), r.total, all.equivalent, r.dropped,
		r.took.Round(100*time.Millisecond), perMutant.Round(time.Millisecond))
	return err
}

func (r *report) printTable(out io.Writer, files map[string]*tally) error {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	drawn := table.New("File", "Score", "Killed", "Timed out", "Survived", "Not reached", "Equivalent")
	line := func(name string, t tally) {
		score := "-"
		if t.counted() > 0 {
			score = strconv.FormatFloat(t.score(), 'f', 1, 64) + " %"
		}
		cells := []string{name, score}
		for _, n := range []int{t.killed, t.timedOut, t.survived, t.notReached, t.equivalent} {
			cells = append(cells, strconv.Itoa(n))
		}
		drawn.Add(cells...)
	}
	for _, name := range names {
		line(name, *files[name])
	}
	line("all", r.tally())
	return drawn.Render(out)
}
