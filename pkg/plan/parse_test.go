package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestParseTellsEveryProblem(t *testing.T) {
	t.Parallel()
	const recovery = "\n    anchor:\n      driverRescheduled: {}\n    delay: 5s\n    deadline: 5m\n    atEnd: false"
	tests := map[string]struct {
		old, new string
		want     []string // path and the beginning of the message
	}{
		"other kind":    {"kind: Plan", "kind: Scenario", []string{`kind: "Scenario" is not accepted`}},
		"unknown field": {"seed: 7", "seed: 7\nsede: 8", []string{"sede: unknown field; did you mean seed?"}},
		"no seed":       {"seed: 7\n", "", []string{"seed: missing; it must be given"}},
		"negative seed": {"seed: 7", "seed: -7", []string{"seed: want a whole number from 0"}},
		"digest":        {"digest: sha256:", "digest: md5:", []string{"scenario.digest: "}},
		"unknown fault": {"nodePowerOff:", "nodePowerOf:",
			[]string{"steps[0].do.nodePowerOf: unknown fault", "steps[1].do.nodePowerOf: unknown fault"}},
		"unknown invariant": {"nothingLeftBehind", "nothingLeft", []string{"expect[1].nothingLeft: unknown invariant"}},
		"unknown anchor": {"driverRescheduled:", "driverRescheduld:",
			[]string{"steps[1].anchor.driverRescheduld: unknown anchor; did you mean driverRescheduled?"}},
		"id of another step": {"id: lose/inject", "id: lost/inject",
			[]string{`steps[0].id: "lost/inject" does not say fault and action; want "lose/inject"`,
				"steps[1]: recovers lose before any step injects it"}},
		"step twice": {"id: stop/inject\n    fault: stop", "id: lose/inject\n    fault: lose",
			[]string{`steps[2].id: "lose/inject" is given twice`, "steps[3]: recovers stop before any step injects it"}},
		"unknown action": {"action: inject", "action: injekt", []string{"steps[0].action: "}},
		"inject at the end": {"atEnd: false", "atEnd: true",
			[]string{"steps[0].atEnd: nothing is injected after the application has settled"}},
		"both moment and end": {recovery, strings.Replace(recovery, "false", "true", 1),
			[]string{"steps[1].atEnd: a step at the end awaits nothing"}},
		"no moment":             {recovery, "\n    atEnd: false", []string{"steps[1].anchor: missing; want an anchor, or atEnd: true"}},
		"no deadline":           {"    deadline: 5m\n", "", []string{"steps[1].deadline: missing; want how long the anchor is awaited"}},
		"deadline without unit": {"deadline: 5m", "deadline: 5", []string{"steps[1].deadline: "}},
		"nothing undoes a fault": {"  - id: stop/recover", "  - id: kill/recover",
			[]string{`steps[3].id: "kill/recover" does not say fault and action`, "steps[2]: nothing undoes stop"}},
	}
	original := string(mustMarshal(t, mustPlan(t, inputs(t)["several"], 7)))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(original, test.old) {
				t.Fatalf("%q is not in the plan:\n%s", test.old, original)
			}
			count := 1
			if name == "unknown fault" {
				count = -1
			}
			_, err := Parse("p.yaml", []byte(strings.Replace(original, test.old, test.new, count)), fakeCatalogue())
			var problems *scenario.Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			var unmatched []string
			for _, want := range test.want {
				found := false
				for _, p := range problems.Problems {
					found = found || strings.HasPrefix(p.Path+": "+p.Message, want)
				}
				if !found {
					unmatched = append(unmatched, want)
				}
			}
			if len(unmatched) > 0 || len(problems.Problems) != len(test.want) {
				t.Errorf("got\n%v\nwant %d problems, not found: %q", problems, len(test.want), unmatched)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range inputs(f) {
		f.Add(mustMarshal(f, mustPlan(f, s, 7)))
	}
	f.Add([]byte("kind: Plan\nsteps: [{id: a/recover, action: recover, atEnd: true}, {}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("p.yaml", data, fakeCatalogue())
		if err != nil {
			var problems *scenario.Error
			if !errors.As(err, &problems) || p != nil {
				t.Fatalf("got %v and %v, want problems alone", p, err)
			}
			return
		}
		written := mustMarshal(t, p)
		again, err := Parse("again.yaml", written, fakeCatalogue())
		if err != nil {
			t.Fatalf("%s\ncannot be read again: %v", written, err)
		}
		if diff := cmp.Diff(string(written), string(mustMarshal(t, again))); diff != "" {
			t.Fatalf("written twice (-first +second):\n%s", diff)
		}
	})
}
