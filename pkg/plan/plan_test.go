package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// inputs returns the scenarios in testdata by the name of their case.
func inputs(t testing.TB) map[string]*scenario.Scenario {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.input.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no inputs in testdata: %v", err)
	}
	found := map[string]*scenario.Scenario{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Load(file, data, fakeCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(file), ".input.yaml")] = s
	}
	return found
}

func mustPlan(t testing.TB, s *scenario.Scenario, seed uint64) *Plan {
	t.Helper()
	p, err := New(s, seed, fakeCapabilities(cluster.Actions()...), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustMarshal(t testing.TB, p *Plan) []byte {
	t.Helper()
	data, err := Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGoldenPlans(t *testing.T) {
	t.Parallel()
	for name, s := range inputs(t) {
		p := mustPlan(t, s, 7)
		golden.Compare(t, filepath.Join("testdata", name+".plan.yaml"), mustMarshal(t, p), *update)
		var explained bytes.Buffer
		if err := Explain(&explained, p, fakeCatalogue(), components.All()); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", name+".explain.txt"), explained.Bytes(), *update)
	}
}

func TestPlanOutAndInAgainIsTheSame(t *testing.T) {
	t.Parallel()
	for name, s := range inputs(t) {
		first := mustPlan(t, s, 1<<63+12345)
		asJSON, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		asYAML := mustMarshal(t, first)
		for form, data := range map[string][]byte{"YAML": asYAML, "JSON": asJSON} {
			again, err := Parse(name, data, fakeCatalogue())
			if err != nil {
				t.Fatalf("%s as %s cannot be read again: %v\n%s", name, form, err, data)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("%s read again from %s (-first +again):\n%s", name, form, diff)
			}
			if diff := cmp.Diff(string(asYAML), string(mustMarshal(t, again))); diff != "" {
				t.Errorf("%s written again after %s (-first +again):\n%s", name, form, diff)
			}
		}
	}
}

func TestSameSeedSamePlan(t *testing.T) {
	t.Parallel()
	s := inputs(t)["random"]
	different := map[string]bool{}
	for seed := range uint64(50) {
		first, second := mustMarshal(t, mustPlan(t, s, seed)), mustMarshal(t, mustPlan(t, s, seed))
		if diff := cmp.Diff(string(first), string(second)); diff != "" {
			t.Fatalf("seed %d gives two plans:\n%s", seed, diff)
		}
		different[strings.Replace(string(first), "seed: ", "", 1)] = true
	}
	if len(different) < 40 {
		t.Errorf("50 seeds give %d plans; want the choices to depend on the seed", len(different))
	}
}

func TestRandomChoicesStayInTheirBounds(t *testing.T) {
	t.Parallel()
	s := inputs(t)["random"]
	indexes := map[int]bool{}
	for seed := range uint64(200) {
		p := mustPlan(t, s, seed)
		step := p.Steps[0]
		if step.Delay < scenario.Duration(time.Second) || step.Delay > scenario.Duration(5*time.Second) {
			t.Fatalf("seed %d: the delay %s is out of its range 1s..5s", seed, step.Delay)
		}
		index := step.Args().(*fakePodArgs).Pod.Index
		if index == nil || *index < 0 || *index >= s.Spec.Workload.Executors.Instances {
			t.Fatalf("seed %d: executor %v is none of %d", seed, index, s.Spec.Workload.Executors.Instances)
		}
		indexes[*index] = true
	}
	if len(indexes) != s.Spec.Workload.Executors.Instances {
		t.Errorf("200 seeds chose the executors %v; want each of %d", indexes, s.Spec.Workload.Executors.Instances)
	}
}

func TestAnotherFaultLeavesTheChoicesOfTheFirst(t *testing.T) {
	t.Parallel()
	s := inputs(t)["random"]
	more := *s
	more.Spec.Faults = append([]scenario.Fault{{
		Name:   "earlier",
		Inject: scenario.Choice{Name: "podKill", Args: &fakePodArgs{Pod: scenario.PodSelector{Of: scenario.OfExecutor}}},
		When:   s.Spec.Faults[0].When,
	}}, s.Spec.Faults...)
	alone, among := mustPlan(t, s, 3), mustPlan(t, &more, 3)
	if diff := cmp.Diff(alone.Steps, among.Steps[1:]); diff != "" {
		t.Errorf("steps (-alone +among):\n%s", diff)
	}
}

func TestNewLeavesTheScenarioAlone(t *testing.T) {
	t.Parallel()
	for name, s := range inputs(t) {
		before, err := scenario.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		mustPlan(t, s, 1)
		after, err := scenario.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("%s changed (-before +after):\n%s", name, diff)
		}
	}
}

func TestDigestIsOfWhatAScenarioMeans(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "random.input.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	digest := func(change func(string) string) string {
		s, err := scenario.Load("f", []byte(change(string(data))), fakeCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		return mustPlan(t, s, 1).Scenario.Digest
	}
	original := digest(func(s string) string { return s })
	if got := digest(func(s string) string { return "# a comment\n" + s + "  settle: 2m\n" }); got != original {
		t.Errorf("a comment and a default written out change the digest from %s to %s", original, got)
	}
	if got := digest(func(s string) string { return s + "  settle: 121s\n" }); got == original {
		t.Error("another bound leaves the digest as it is")
	}
}

func TestNewRefusesWhatTheClusterCannotDo(t *testing.T) {
	t.Parallel()
	_, err := New(inputs(t)["several"], 1, fakeCapabilities(cluster.PowerOff, cluster.Freeze), fakeCatalogue())
	want := "scenario several on cluster kind fake: " +
		"fault lose: nodePowerOff needs a cluster that can do power-on to its nodes; this one can do power-off, freeze\n" +
		"fault stop: nodeFreeze needs a cluster that can do thaw to its nodes; this one can do power-off, freeze"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = New(inputs(t)["several"], 1, fakeCapabilities(), fakeCatalogue())
	if err == nil || !strings.Contains(err.Error(), "can do power-off and power-on to its nodes; this one can do nothing") {
		t.Errorf("got %v", err)
	}
	if _, err := New(inputs(t)["random"], 1, fakeCapabilities(), fakeCatalogue()); err != nil {
		t.Errorf("a fault that needs nothing is refused: %v", err)
	}
}

func TestNewRefusesAScenarioThatWasMadeWrong(t *testing.T) {
	t.Parallel()
	s := *inputs(t)["random"]
	s.Spec.Expect = nil
	_, err := New(&s, 1, fakeCapabilities(), fakeCatalogue())
	var problems *scenario.Error
	if !errors.As(err, &problems) {
		t.Errorf("got %v, want problems of the scenario", err)
	}
}

func TestTimingsAreThoseOfTheClusters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{scenario.TimingFast, scenario.TimingProduction} {
		want, err := cluster.NamedTiming(name)
		if err != nil {
			t.Fatal(err)
		}
		knobs := scenario.Timing{Name: name}.Resolve()
		got := cluster.Timing{
			Name: name, NodeStatusUpdateFrequency: time.Duration(knobs.NodeStatusUpdateFrequency),
			NodeLeaseDuration: time.Duration(knobs.NodeLeaseDuration),
			NodeMonitorPeriod: time.Duration(knobs.NodeMonitorPeriod), NodeMonitorGracePeriod: time.Duration(knobs.NodeMonitorGracePeriod),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-cluster +scenario):\n%s", name, diff)
		}
	}
}
