package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
)

// TestRun tries the mutants of the package in testdata/sample, whose tests notice some of them.
func TestRun(t *testing.T) {
	results := filepath.Join(t.TempDir(), "mutants.json")
	var out, log bytes.Buffer
	err := run(t.Context(), []string{"-equivalent", "testdata/equivalent.yaml", "-json", results, "./testdata/sample"}, &out, &log)
	if !errors.Is(err, errBelow) {
		t.Fatalf("got %v, expected that the score is below the threshold\n%s", err, &log)
	}
	times := regexp.MustCompile(`; \S+ in all, \S+ a mutant`)
	golden.Compare(t, "testdata/sample.golden", times.ReplaceAll(out.Bytes(), []byte("; T in all, T a mutant")), *update)

	data, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Function string  `json:"function"`
		Outcome  outcome `json:"outcome"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]map[outcome]bool{}
	for _, one := range all {
		if outcomes[one.Function] == nil {
			outcomes[one.Function] = map[outcome]bool{}
		}
		outcomes[one.Function][one.Outcome] = true
	}
	want := map[string]map[outcome]bool{
		"Sign":      {killed: true},
		"Sum":       {killed: true, timedOut: true},
		"Larger":    {killed: true, survived: true},
		"Clamp":     {killed: true, survived: true},
		"Forgotten": {notReached: true},
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestRunTriesTheTestsOfAnotherPackage too, where the target names one.
func TestRunTriesTheTestsOfAnotherPackage(t *testing.T) {
	var out, log bytes.Buffer
	args := []string{"-equivalent", "testdata/equivalent.yaml", "-threshold", "0", "./testdata/sample@./testdata/user"}
	if err := run(t.Context(), args, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if strings.Contains(log.String(), "notReached") {
		t.Errorf("mutants that the other package's tests reach count as not reached:\n%s", &log)
	}
}

func TestRunReachesItsThreshold(t *testing.T) {
	var out, log bytes.Buffer
	args := []string{"-equivalent", "testdata/equivalent.yaml", "-threshold", "50", "./testdata/sample:sample.go"}
	if err := run(t.Context(), args, &out, &log); err != nil {
		t.Errorf("got %v, expected that half of the mutants are enough\n%s%s", err, &log, &out)
	}
}

// TestRunChecksTheList expects that a wrong list of equivalent mutants is an error even if the score is high enough.
func TestRunChecksTheList(t *testing.T) {
	var out, log bytes.Buffer
	err := run(t.Context(), []string{"-equivalent", "testdata/wrong.yaml", "-threshold", "0", "./testdata/sample"}, &out, &log)
	if !errors.Is(err, errBelow) {
		t.Errorf("got %v, expected %v", err, errBelow)
	}
	for _, want := range []string{
		"no such mutant any more: internal/mutate/testdata/sample/sample.go Larger: a > c  →  a >= c",
		"a test kills it: internal/mutate/testdata/sample/sample.go:7:7 Sign: boundary: n < 0  →  n <= 0",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "pkg/other") {
		t.Errorf("the output has an entry about a file that was not looked at:\n%s", &out)
	}
}

func TestRunRefuses(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.yaml")
	entry := `- {file: a.go, function: F, before: x, after: y, reason: "%"}` + "\n"
	for name, c := range map[string]struct {
		list string
		args []string
		want string
	}{
		"no package":      {args: nil, want: "no package is named"},
		"unknown package": {args: []string{"./testdata/none"}, want: "go list"},
		"unknown file":    {args: []string{"./testdata/sample:other.go"}, want: "has no file other.go"},
		"several":         {args: []string{"./selector", "./..."}, want: "expected one package"},
		"without reason": {list: strings.ReplaceAll(entry, "%", ""), args: []string{"./testdata/sample"},
			want: "needs file, function, before and reason"},
		"twice":         {list: strings.Repeat(entry, 2), args: []string{"./testdata/sample"}, want: "is there twice"},
		"unknown field": {list: "- {line: 3}\n", args: []string{"./testdata/sample"}, want: "field line not found"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(list, []byte(c.list), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, log bytes.Buffer
			err := run(t.Context(), append([]string{"-equivalent", list, "-dry-run"}, c.args...), &out, &log)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected an error with %q", err, c.want)
			}
		})
	}
}

func TestChooseDrawsTheSameSampleForASeed(t *testing.T) {
	var mutants []*mutant
	for i := range 100 {
		mutants = append(mutants, &mutant{ID: i + 1})
	}
	listed := map[int]equivalent{7: {Reason: "any"}}
	first := choose(mutants, listed, options{sample: 20, seed: 3})
	if diff := cmp.Diff(first, choose(mutants, listed, options{sample: 20, seed: 3})); diff != "" {
		t.Errorf("the same seed gives another sample:\n%s", diff)
	}
	if cmp.Equal(first, choose(mutants, listed, options{sample: 20, seed: 4})) {
		t.Error("another seed gives the same sample")
	}
	if len(first) != 20 {
		t.Errorf("the sample has %d mutants", len(first))
	}
	all := choose(mutants, listed, options{sample: 1000, seed: 3})
	if len(all) != 99 {
		t.Errorf("a sample of all has %d mutants, expected all but the one that is listed", len(all))
	}
	if n := len(choose(mutants, listed, options{})); n != 100 {
		t.Errorf("without a sample there are %d mutants, expected all of them", n)
	}
}

func TestBatchesPutQuickTestsFirst(t *testing.T) {
	reached := map[int]bool{1: true}
	own, others := &binary{path: "own"}, &binary{path: "others"}
	trial := &trial{binaries: []*binary{own, others}, tests: []testCase{
		{name: "slowest", binary: own, cpu: 3 * time.Second, reached: reached},
		{name: "quick", binary: own, cpu: time.Millisecond, reached: reached},
		{name: "slow", binary: own, cpu: time.Second, reached: reached},
		{name: "elsewhere", binary: own, cpu: time.Millisecond, reached: map[int]bool{2: true}},
		{name: "quick too", binary: own, cpu: 2 * time.Millisecond, reached: reached},
		{name: "of others", binary: others, cpu: time.Millisecond, reached: reached},
	}}
	var got [][]string
	for _, batch := range trial.batches(1) {
		var names []string
		for _, test := range batch {
			names = append(names, test.name)
		}
		got = append(got, names)
	}
	want := [][]string{{"quick", "quick too"}, {"of others"}, {"slow"}, {"slowest"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if batches := trial.batches(3); batches != nil {
		t.Errorf("a mutant that no test reaches has tests: %v", batches)
	}
}

func TestGood(t *testing.T) {
	one := func(o outcome, reason string) tried {
		return tried{mutant: &mutant{}, Outcome: o, Equivalent: reason}
	}
	for name, c := range map[string]struct {
		report report
		want   bool
	}{
		"nothing tried":             {report{}, false},
		"all killed":                {report{tried: []tried{one(killed, ""), one(timedOut, "")}}, true},
		"at the threshold":          {report{tried: []tried{one(killed, ""), one(survived, "")}}, true},
		"not reached":               {report{tried: []tried{one(killed, ""), one(survived, ""), one(notReached, "")}}, false},
		"equivalent does not count": {report{tried: []tried{one(killed, ""), one(survived, "same"), one(notReached, "same")}}, true},
		"listed, but killed":        {report{tried: []tried{one(killed, ""), one(killed, "same")}}, false},
		"listed, but gone":          {report{tried: []tried{one(killed, "")}, stale: []equivalent{{}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.report.good(50); got != c.want {
				t.Errorf("good = %v, want %v", got, c.want)
			}
		})
	}
}

func TestNormalised(t *testing.T) {
	if got := normalised("a  &&\n\t\tb"); got != "a && b" {
		t.Errorf("got %q", got)
	}
	if got := []rune(normalised(strings.Repeat("é", 500))); len(got) != maxText || got[maxText-1] != '…' {
		t.Errorf("got %d characters", len(got))
	}
}
