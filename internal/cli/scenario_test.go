package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/scenarios"
	"github.com/sparkchaos/sparkchaos/schema"
)

func TestShippedScenarios(t *testing.T) {
	t.Parallel()
	shipped, err := shippedScenarios()
	if err != nil {
		t.Fatal(err)
	}
	controls := map[string]*scenario.Control{}
	for _, each := range shipped {
		s := each.scenario
		t.Run(s.Metadata.Name, func(t *testing.T) {
			t.Parallel()
			if want := strings.TrimSuffix(filepath.Base(each.file), ".yaml"); s.Metadata.Name != want {
				t.Errorf("%s holds the scenario %s; want the file's name", each.file, s.Metadata.Name)
			}
			if s.Metadata.Description == "" || s.Metadata.Labels["tier"] == "" || s.Metadata.Labels["component"] == "" {
				t.Error("wants a description and the labels tier and component")
			}
			isControl := strings.HasPrefix(each.file, "controls/")
			if (s.Spec.Control != nil) != isControl || (s.Metadata.Labels["control"] == "true") != isControl {
				t.Errorf("%s: spec.control, the label control=true and the directory controls/ must go together", each.file)
			}
			if strings.HasPrefix(s.Metadata.Description, "Expected failure: ") != isControl {
				t.Errorf("%s: the description of a control, and of no other scenario, begins with %q", each.file, "Expected failure: ")
			}
			modeline(t, each.file)
			p, err := makePlan(s, 1, newClusterChoice())
			if err != nil {
				t.Fatal(err)
			}
			written, err := plan.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := plan.Parse("plan.yaml", written, catalogue())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, again); diff != "" {
				t.Errorf("the plan read again (-first +again):\n%s", diff)
			}
		})
		if s.Spec.Control != nil {
			controls[s.Metadata.Name] = s.Spec.Control
		}
	}
	want := map[string]*scenario.Control{
		"checkpoint-on-local-volume":              {EndsIn: "violation", Violated: []string{"driverRescheduled"}},
		"checkpoint-on-node-disk":                 {EndsIn: "violation", Violated: []string{"streamContinues"}},
		"driver-as-pod":                           {EndsIn: "violation", Violated: []string{"driverRescheduled"}},
		"driver-node-power-off-production":        {EndsIn: "violation", Violated: []string{"recoveryWithin"}},
		"driver-without-retries":                  {EndsIn: "violation", Violated: []string{"completes"}},
		"dstream-without-wal":                     {EndsIn: "violation", Violated: []string{"wordsCounted"}},
		"executor-node-power-off-stock":           {EndsIn: "violation", Violated: []string{"executorReplaced"}},
		"fixed-app-id":                            {EndsIn: "violation", Violated: []string{"applicationIdsUnique"}},
		"fixed-executor-prefix":                   {EndsIn: "violation", Violated: []string{"executorNamesUnique"}},
		"noop-memory-stress":                      {EndsIn: "inconclusive", NotLanded: []string{"stress-executor"}},
		"noop-node-cordon":                        {EndsIn: "inconclusive", NotLanded: []string{"cordon-it-again"}},
		"noop-node-drain":                         {EndsIn: "inconclusive", NotLanded: []string{"drain-executor-node"}},
		"noop-clock-skew":                         {EndsIn: "inconclusive", NotLanded: []string{"skew-executor"}},
		"noop-node-out-of-service":                {EndsIn: "inconclusive", NotLanded: []string{"out-of-service"}},
		"noop-node-shutdown":                      {EndsIn: "inconclusive", NotLanded: []string{"shut-down-executor-node"}},
		"noop-node-taint":                         {EndsIn: "inconclusive", NotLanded: []string{"taint-executor-node"}},
		"noop-pod-evict":                          {EndsIn: "inconclusive", NotLanded: []string{"evict-executor"}},
		"noop-power-off":                          {EndsIn: "inconclusive", NotLanded: []string{"lose-driver-node"}},
		"pyspark-appends":                         {EndsIn: "violation", Violated: []string{"resultEqualsBaseline"}},
		"shuffle-service-without-local-directory": {EndsIn: "violation", Violated: []string{"shuffleSurvives"}},
		"shuffle-without-service":                 {EndsIn: "violation", Violated: []string{"shuffleSurvives"}},
		"spark-submit-driver-node-power-off":      {EndsIn: "violation", Violated: []string{"driverRescheduled"}},
		"operator-never-restarts":                 {EndsIn: "violation", Violated: []string{"driverRescheduled", "completes"}},
		"output-appended":                         {EndsIn: "violation", Violated: []string{"resultEqualsBaseline", "outputFilesOnce"}},
		"output-partition-lost":                   {EndsIn: "violation", Violated: []string{"resultEqualsBaseline", "outputFilesOnce"}},
		"staging-memory":                          {EndsIn: "violation", Violated: []string{"stagedArtifactsSurvive"}},
		"side-effects-of-a-restart":               {EndsIn: "violation", Violated: []string{"resultEqualsBaseline"}},
		"stale-executors-stock":                   {EndsIn: "violation", Violated: []string{"staleExecutorsGone"}},
		"stale-executor-stands-in": {EndsIn: "violation",
			Violated: []string{"applicationIdsUnique", "executorReplaced", "noStaleStandIn"}},
		"structured-streaming-isolated": {EndsIn: "violation", Violated: []string{"atMostOneDriver", "wordsCounted"}},
		"thawed-driver-costs-executors": {EndsIn: "violation", Violated: []string{"applicationIdsUnique", "executorsKept"}},
		"two-drivers-forbidden":         {EndsIn: "violation", Violated: []string{"atMostOneDriver"}},
	}
	if diff := cmp.Diff(want, controls); diff != "" {
		t.Errorf("controls (-want +got):\n%s", diff)
	}
}

func TestShippedScenariosFitTheSchema(t *testing.T) {
	t.Parallel()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Scenario()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("scenario.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := shippedScenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range shipped {
		data, err := fs.ReadFile(scenarios.Files(), each.file)
		if err != nil {
			t.Fatal(err)
		}
		var content any
		if err := yaml.Unmarshal(data, &content); err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(content); err != nil {
			t.Errorf("%s: an editor would complain: %v", each.file, err)
		}
	}
}

// modeline checks that a file tells editors where its schema is.
func modeline(t *testing.T, file string) {
	t.Helper()
	data, err := fs.ReadFile(scenarios.Files(), file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	reference, ok := strings.CutPrefix(first, "# yaml-language-server: $schema=")
	target := filepath.Join("..", "..", "scenarios", filepath.Dir(file), reference)
	if _, err := os.Stat(target); !ok || err != nil {
		t.Errorf("%s begins with %q; want a modeline that leads to schema/scenario.json", file, first)
	}
}

// writeFile writes a file for a test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLintTellsAllProblemsOfAllFiles(t *testing.T) {
	t.Parallel()
	first := writeFile(t, "first.yaml", "apiVersion: sparkchaos.dev/v1alpha1\nkind: Scenario\nmetadata: {nmae: x}\n")
	second := writeFile(t, "second.yaml", "")
	code, out, message := run(t.Context(), NewRoot(), "lint", first, "driver-node-power-off", second)
	want := first + ":1:1: spec: missing; it must be given\n" +
		first + ":3:11: metadata.name: missing; it must be given, for example driver-node-power-off\n" +
		first + ":3:12: metadata.nmae: unknown field; did you mean name?\n" +
		"driver-node-power-off: driver-node-power-off is valid\n" +
		second + ":1:1: the file is empty\n"
	if diff := cmp.Diff(lines(want), lines(out)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if code != ExitUsage || !strings.Contains(message, "2 of 3 scenarios are not valid") {
		t.Errorf("got exit code %d and %q", code, message)
	}
}

// lines sorts by nothing but lets one diff name the line that differs.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	slices.Sort(all)
	return all
}

func TestPlanIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	var outs []string
	for range 2 {
		code, out, message := run(t.Context(), NewRoot(), "plan", "executor-pod-kill", "--seed", "18446744073709551615")
		if code != ExitPass {
			t.Fatalf("exit code %d: %s", code, message)
		}
		outs = append(outs, out)
	}
	if diff := cmp.Diff(outs[0], outs[1]); diff != "" {
		t.Errorf("the same seed gives two plans:\n%s", diff)
	}
	if !strings.Contains(outs[0], "seed: 18446744073709551615\n") {
		t.Errorf("the plan does not tell its seed:\n%s", outs[0])
	}
}

func TestExplainSaysTheSameOfAScenarioAndItsPlan(t *testing.T) {
	t.Parallel()
	code, ofScenario, message := run(t.Context(), NewRoot(), "explain", "driver-node-isolated", "--seed", "5")
	if code != ExitPass {
		t.Fatalf("exit code %d: %s", code, message)
	}
	for _, format := range []string{"yaml", "json"} {
		_, encoded, _ := run(t.Context(), NewRoot(), "plan", "driver-node-isolated", "--seed", "5", "-o", format)
		code, ofPlan, message := run(t.Context(), NewRoot(), "explain", "--plan", writeFile(t, "plan."+format, encoded))
		if code != ExitPass {
			t.Fatalf("exit code %d: %s", code, message)
		}
		if diff := cmp.Diff(ofScenario, ofPlan); diff != "" {
			t.Errorf("%s (-of the scenario +of its plan):\n%s", format, diff)
		}
	}
	if want := "10s after the driver is running again on another node"; !strings.Contains(ofScenario, want) {
		t.Errorf("want %q in\n%s", want, ofScenario)
	}
}

func TestListSelectsByLabels(t *testing.T) {
	t.Parallel()
	shipped, err := shippedScenarios()
	if err != nil {
		t.Fatal(err)
	}
	controls := 0
	for _, each := range shipped {
		if each.scenario.Spec.Control != nil {
			controls++
		}
	}
	tests := map[string]struct {
		args          []string
		has, lacks    string
		scenarioCount int
	}{
		"all":        {nil, "│ driver-node-power-off ", "poweroff ", len(shipped)},
		"controls":   {[]string{"--label", "control=true"}, "│ controls/noop-power-off ", "│ driver-node-frozen ", controls},
		"two labels": {[]string{"-l", "tier=smoke", "-l", "fault=freeze"}, "│ driver-node-frozen ", "│ driver-node-isolated ", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, message := run(t.Context(), NewRoot(), append([]string{"list"}, test.args...)...)
			if code != ExitPass {
				t.Fatalf("exit code %d: %s", code, message)
			}
			if !strings.Contains(out, test.has) || strings.Contains(out, test.lacks) || strings.Count(out, "tier=") != test.scenarioCount {
				t.Errorf("want %d scenarios, among them %q and not %q:\n%s", test.scenarioCount, test.has, test.lacks, out)
			}
		})
	}
}

func TestScenarioCommandsRefuse(t *testing.T) {
	t.Parallel()
	invalid := writeFile(t, "invalid.yaml", "kind: Scenario\n")
	absent := writeFile(t, "absent.yaml", strings.ReplaceAll(secretScenario, "app.jar", "miss.jar"))
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown scenario": {[]string{"plan", "driver-node-poweroff"}, "there is no file and no shipped scenario \"driver-node-poweroff\"; " +
			"did you mean driver-node-power-off?"},
		"mistyped path": {[]string{"run", "scenarios/controls/driver-as-pot.yaml"}, "did you mean driver-as-pod?"},
		"missing jar":   {[]string{"run", absent}, "artifact miss.jar: there is no such file in the scenario's directory"},
		"label of nothing": {[]string{"list", "-l", "tier=foo"},
			"no shipped scenario has the labels tier=foo; tier is one of nightly, smoke"},
		"label that is unknown": {[]string{"list", "-l", "foo=bar"}, "there is no label foo, expected one of component, control, fault"},
		"list as xml":           {[]string{"list", "-o", "xml"}, `--output is "xml"; expected table, json or yaml`},
		"missing file": {[]string{"lint", "no/such.yaml"}, "there is no file and no shipped scenario \"no/such.yaml\"; `sparkchaos list` " +
			"shows the shipped scenarios"},
		"directory":              {[]string{"lint", "."}, "read scenario: "},
		"invalid scenario":       {[]string{"plan", invalid}, invalid + ":1:1: spec: missing"},
		"unknown cluster":        {[]string{"plan", "executor-pod-kill", "--cluster", "mars"}, `cluster kind "mars" is not known`},
		"unknown format":         {[]string{"plan", "executor-pod-kill", "-o", "xml"}, `--output is "xml"; expected yaml or json`},
		"negative seed":          {[]string{"plan", "executor-pod-kill", "--seed", "-1"}, `--seed "-1": expected a whole number, 0 or more`},
		"nothing to explain":     {[]string{"explain"}, "no scenario is given"},
		"too much to explain":    {[]string{"explain", "executor-pod-kill", "--plan", invalid}, "exclude each other"},
		"a scenario as a plan":   {[]string{"explain", "--plan", invalid}, invalid + `:1:7: kind: "Scenario" is not accepted`},
		"missing plan":           {[]string{"explain", "--plan", "no/such.yaml"}, "read plan: open no/such.yaml"},
		"label without a value":  {[]string{"list", "--label", "tier"}, `--label "tier": expected key=value`},
		"lint without a file":    {[]string{"lint"}, `expected "sparkchaos lint SCENARIO..."; got no argument`},
		"schema with a scenario": {[]string{"schema", "executor-pod-kill"}, `expected "sparkchaos schema"; got "executor-pod-kill"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, message := run(t.Context(), NewRoot(), test.args...)
			if lintProblem := test.args[0] == "lint" && code == ExitUsage && message == ""; code != ExitUsage || lintProblem ||
				!strings.Contains(message, test.want) {
				t.Errorf("got exit code %d and %q; want %d and %q", code, message, ExitUsage, test.want)
			}
		})
	}
}

// A shipped scenario is found by each name that README, "sparkchaos list" and a checkout give it.
func TestNamesOfShippedScenarios(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{
		"driver-node-power-off":                "driver-node-power-off",
		"scenarios/driver-node-power-off.yaml": "driver-node-power-off",
		"driver-node-power-off.yaml":           "driver-node-power-off",
		"driver-as-pod":                        "driver-as-pod",
		"controls/driver-as-pod":               "driver-as-pod",
		"controls/driver-as-pod.yaml":          "driver-as-pod",
		"scenarios/controls/driver-as-pod":     "driver-as-pod",
		"./controls/driver-as-pod":             "driver-as-pod",
		"controls/driver-node-power-off":       "", // is none
		"scenarios/driver-as-pod":              "",
		"../scenarios/driver-as-pod.yaml":      "",
		"":                                     "",
	} {
		text, shipped, err := assembly.ReadScenario(argument)
		if want == "" {
			if err == nil || codeOf(err) != ExitUsage {
				t.Errorf("%q: %v, want an error of usage", argument, err)
			}
			continue
		}
		if err != nil || !shipped || !strings.Contains(string(text), "name: "+want+"\n") {
			t.Errorf("%q: shipped %v, %v; want %s", argument, shipped, err, want)
		}
	}
}

func TestListSaysHowLongScenariosTake(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for i, took := range []time.Duration{50 * time.Second, 70 * time.Second, 61 * time.Second} {
		finished := filepath.Join(directory, fmt.Sprintf("2026010%d-driver-node-power-off-7", i+1))
		putRun(t, finished, "driver-node-power-off", took)
	}
	code, out, message := run(t.Context(), NewRoot(), "list", "--runs", directory, "-l", "tier=smoke")
	if code != ExitPass || !regexp.MustCompile(`│ driver-node-power-off +│[^│]*│ 1m1s `).MatchString(out) || !strings.Contains(out, " │ - ") {
		t.Errorf("exit code %d: %s\n%s", code, message, out)
	}
	code, out, message = run(t.Context(), NewRoot(), "list", "--runs", directory, "-l", "tier=smoke", "-o", "yaml")
	if code != ExitPass || !strings.Contains(out, "expected: 61\n") || !strings.Contains(out, "runs: 3\n") {
		t.Errorf("exit code %d: %s\n%s", code, message, out)
	}
}

// putRun writes a run directory with as little as the list of runs reads.
func putRun(t *testing.T, directory, scenario string, took time.Duration) {
	t.Helper()
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	verdict := fmt.Sprintf(`{"formatVersion":%d,"verdict":"pass","reason":"held","scenario":%q,"seed":7}`, report.VerdictFormatVersion,
		scenario)
	started := `{"seq":1,"offset":0,"wall":"2026-01-02T03:04:05Z","source":"harness","type":"runStarted","data":{"formatVersion":1}}`
	ended := fmt.Sprintf(`{"seq":2,"offset":%d,"wall":"2026-01-02T03:05:05Z","source":"harness","type":"runEnded","data":{}}`, took)
	for name, content := range map[string]string{
		report.VerdictFile: verdict, report.HistoryFile: started + "\n" + ended + "\n", report.EnvironmentFile: "{}",
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListForMachines(t *testing.T) {
	t.Parallel()
	code, out, message := run(t.Context(), NewRoot(), "list", "-o", "json", "-l", "component=driver")
	if code != ExitPass {
		t.Fatalf("exit code %d: %s", code, message)
	}
	var listed []listedScenario
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, each := range listed {
		found[each.File] = each.Control
		if each.Labels["component"] != "driver" || each.Description == "" || each.Name == "" {
			t.Errorf("%+v", each)
		}
	}
	for file, control := range map[string]bool{"driver-node-power-off.yaml": false, "controls/driver-as-pod.yaml": true} {
		if got, ok := found[file]; !ok || got != control {
			t.Errorf("%s: listed %v, as a control %v; want %v", file, ok, got, control)
		}
	}
}
