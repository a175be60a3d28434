package scenario

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is a scenario without problems; tests change one line of it.
const good = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata:
  name: power-off
  labels: {tier: smoke}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application: {name: wordcount, mainClass: dev.WordCount, jar: "local:///a.jar", args: ["--x=1"]}
    driver: {kind: Job, backoffLimit: 3}
    stagingServer: {storage: none}
    conf: {spark.network.timeout: 20s}
  baseline: true
  faults:
  - name: lose
    inject: {nodePowerOff: {node: {of: driver}}}
    when: {executorsRegistered: {atLeast: 2}, delay: 1s..3s, deadline: 90s}
    recover: {when: {driverRescheduled: {}}, delay: 5s}
  - name: kill
    inject: {podKill: {pod: {of: executor, index: 1}, grace: 3s}}
    when: {faultLanded: {fault: lose}}
  expect:
  - completes: {within: 3m}
  - resultEqualsBaseline: {}
  control: {endsIn: violation, violated: [completes]}
  settle: 90s
`

// with returns good with a text replaced.
func with(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(good, old) != 1 {
		t.Fatalf("%q stands %d times in the scenario, want once", old, strings.Count(good, old))
	}
	return strings.Replace(good, old, new, 1)
}

func TestLoadTellsEveryProblem(t *testing.T) {
	t.Parallel()
	const jobOnly = `10:%d: spec.workload.driver.%s: a bare Pod is never replaced; leave it out or write kind: Job`
	tests := map[string]struct {
		old, new string
		want     []string
	}{
		"other version": {"v1alpha1", "v1", []string{`1:13: apiVersion: "sparkchaos.dev/v1" is not accepted; known are sparkchaos.dev/v1alpha1`}},
		"other kind":    {"kind: Scenario", "kind: Pod", []string{`2:7: kind: "Pod" is not accepted; known are Scenario`}},
		"name": {"power-off", "Power_Off", []string{`4:9: metadata.name: "Power_Off" does not fit; want a text that matches ` +
			`^[a-z0-9]([-a-z0-9]{0,43}[a-z0-9])?$, for example driver-node-power-off`}},
		"unknown field": {"baseline: true", "basline: true", []string{
			"13:3: spec.basline: unknown field; did you mean baseline?",
			"24:27: spec.expect[1].resultEqualsBaseline: compares with the baseline, but there is none; write spec.baseline: true"}},
		"no workers": {"workers: 3", "workers: 0", []string{"7:22: spec.cluster.workers: 0 is too small; want at least 1"}},
		"unknown timing": {"timing: fast", "timing: fsat",
			[]string{`7:33: spec.cluster.timing: "fsat" is neither a timing nor knobs such as {nodeMonitorGracePeriod: 10s}; did you mean fast?`}},
		"timing as a list": {"timing: fast", "timing: [fast]",
			[]string{"7:33: spec.cluster.timing: want fast, production or knobs such as {nodeMonitorGracePeriod: 10s}, got a list"}},
		"impatient knobs": {"timing: fast", "timing: {nodeMonitorGracePeriod: 9s, nodeLeaseDuration: 1500ms}", []string{
			"7:58: spec.cluster.timing.nodeMonitorGracePeriod: 9s is not longer than nodeStatusUpdateFrequency (10s): healthy nodes " +
				"would be taken for dead; want several times as long",
			"7:81: spec.cluster.timing.nodeLeaseDuration: 1.5s is no whole number of seconds, which is all that kubelet takes"}},
		"lease outlives patience": {"timing: fast", "timing: {nodeMonitorGracePeriod: 11s, nodeLeaseDuration: 44s}", []string{
			"7:58: spec.cluster.timing.nodeMonitorGracePeriod: 11s is not longer than a quarter of nodeLeaseDuration (44s): healthy " +
				"nodes would be taken for dead; want it as long as the lease"}},
		"no application": {`application: {name: wordcount, mainClass: dev.WordCount, jar: "local:///a.jar", args: ["--x=1"]}`, "image: a b",
			[]string{
				"9:5: spec.workload.application: missing; it must be given",
				`9:12: spec.workload.image: "a b" does not fit; want a text that matches ^[^\s]+$, for example registry.example/spark:4.1.0`}},
		"jar without a server": {"local:///a.jar", "a.jar", []string{"9:18: spec.workload.application: a.jar would have to be fetched from a " +
			"staging server, but there is none; leave storage out or write durable, or name files of the image as local:///…"}},
		"jar from the network": {"local:///a.jar", "http://x/a.jar", []string{`9:67: spec.workload.application.jar: "http://x/a.jar" does not ` +
			`fit; want a text that matches ^(local:///[^\s]+|[^\s:]+\.jar)$, for example local:///opt/spark/workloads/workloads.jar`}},
		"bare pod": {"kind: Job, backoffLimit: 3", "kind: Pod, backoffLimit: 3, podReplacementPolicy: Failed",
			[]string{fmt.Sprintf(jobOnly, 39, "backoffLimit"), fmt.Sprintf(jobOnly, 64, "podReplacementPolicy")}},
		"staging of nothing": {"storage: none", "storage: durable",
			[]string{"11:30: spec.workload.stagingServer.storage: the server would have nothing to serve: the application names " +
				"no file beside the scenario"}},
		"no shuffle service": {"stagingServer: {storage: none}", "shuffleService: {localDirectory: node}",
			[]string{"11:38: spec.workload.shuffleService.localDirectory: there is no shuffle service; write enabled: true or leave this out"}},
		"no such directory": {"stagingServer: {storage: none}", "shuffleService: {enabled: true, localDirectory: disk}",
			[]string{`11:53: spec.workload.shuffleService.localDirectory: "disk" is not accepted; known are node, container`}},
		"no Spark setting": {"spark.network.timeout: 20s", "network.timeout: 20s",
			[]string{`12:29: spec.workload.conf.network.timeout: Spark ignores settings that do not begin with "spark."; did you mean ` +
				`spark.network.timeout?`}},
		"unquoted setting": {"spark.network.timeout: 20s", "spark.x: 20",
			[]string{`12:21: spec.workload.conf.spark.x: want a text, got the number 20; quote it: "20"`}},
		"fault named twice": {"name: kill", "name: lose",
			[]string{`19:11: spec.faults[1].name: "lose" is the name of spec.faults[0] already; each fault needs its own`}},
		"unknown fault": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOf: {node: {of: driver}}}",
			[]string{"16:14: spec.faults[0].inject.nodePowerOf: unknown fault; did you mean nodePowerOff?"}},
		"no fault": {"{nodePowerOff: {node: {of: driver}}}", "{}",
			[]string{"16:13: spec.faults[0].inject: names no fault; known are nodePowerOff, podKill"}},
		"two faults": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {node: {of: driver}}, podKill: {pod: {of: driver}}}",
			[]string{"16:50: spec.faults[0].inject: names 2: nodePowerOff, podKill; want one fault"}},
		"fault without args": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: }",
			[]string{"16:14: spec.faults[0].inject.nodePowerOff: has no arguments; write nodePowerOff: {}"}},
		"empty args": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {}}",
			[]string{"16:28: spec.faults[0].inject.nodePowerOff.node: missing; it must be given"}},
		"unknown target": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {node: {of: drivr}}}",
			[]string{`16:40: spec.faults[0].inject.nodePowerOff.node.of: "drivr" is not accepted; did you mean driver?`}},
		"contradicting args": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {node: {of: driver, index: 1}}}",
			[]string{"16:28: spec.faults[0].inject.nodePowerOff: node.index needs node.of: executor"}},
		"unknown anchor": {"{executorsRegistered: {atLeast: 2}, delay: 1s..3s, deadline: 90s}", "{executorRegistered: {atLeast: 2}}",
			[]string{"17:12: spec.faults[0].when.executorRegistered: unknown anchor; did you mean executorsRegistered?"}},
		"no anchor": {"{executorsRegistered: {atLeast: 2}, delay: 1s..3s, deadline: 90s}", "{delay: 2s}",
			[]string{"17:11: spec.faults[0].when: names no anchor; known are driverRescheduled, executorsRegistered, faultLanded, faultRecovered"}},
		"delay without unit": {"delay: 1s..3s", "delay: 2", []string{`17:54: spec.faults[0].when.delay: "2" has no unit; write 2s or 2ms`}},
		"range backwards": {"delay: 1s..3s", "delay: 3s..1s",
			[]string{`17:54: spec.faults[0].when.delay: "3s..1s" ends before it begins; write 1s..3s`}},
		"negative delay": {"delay: 1s..3s", "delay: -1s",
			[]string{`17:54: spec.faults[0].when.delay: "-1s" is negative; a duration is zero or more`}},
		"endless delay": {"delay: 1s..3s", "delay: 9999h",
			[]string{`17:54: spec.faults[0].when.delay: "9999h" is longer than 168h0m0s, the most that is accepted`}},
		"no deadline at all": {"deadline: 90s", "deadline: 0s",
			[]string{"17:72: spec.faults[0].when.deadline: 0s is too small; want at least 1s"}},
		"delay twice": {"recover: {when: {driverRescheduled: {}}, delay: 5s}",
			"recover: {when: {driverRescheduled: {}, delay: 1s}, delay: 5s}", []string{"18:64: spec.faults[0].recover.delay: the delay is given " +
				"twice, beside when and inside it; keep one"}},
		"nothing to recover": {"    when: {faultLanded: {fault: lose}}",
			"    when: {faultLanded: {fault: lose}}\n    recover: {when: {driverRescheduled: {}}}", []string{"22:14: spec.faults[1].recover: " +
				"podKill leaves nothing to recover; leave this out"}},
		"grace below minimum": {"grace: 3s", "grace: 1ms",
			[]string{"20:62: spec.faults[1].inject.podKill.grace: 1ms is too small; want at least 1s"}},
		"reference to nothing": {"{faultLanded: {fault: lose}}", "{faultLanded: {fault: loose}}", []string{
			`21:33: spec.faults[1].when.faultLanded.fault: no fault is called "loose"; did you mean lose?`}},
		"hits what no fault hit": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {node: {of: driver}, struckBy: kil}}", []string{
			`16:59: spec.faults[0].inject.nodePowerOff.struckBy: no other fault is called "kil"; did you mean kill?`}},
		"hits what it hit itself": {"{nodePowerOff: {node: {of: driver}}}", "{nodePowerOff: {node: {of: driver}, struckBy: lose}}",
			[]string{
				`16:59: spec.faults[0].inject.nodePowerOff.struckBy: no other fault is called "lose"; known are kill`}},
		"recovery that never comes": {"{faultLanded: {fault: lose}}", "{faultRecovered: {fault: kill}}", []string{
			"21:36: spec.faults[1].when.faultRecovered.fault: kill is not recovered before the application has settled, so this " +
				"never comes; give it a recover"}},
		"waits for itself": {"{faultLanded: {fault: lose}}", "{faultLanded: {fault: kill}}", []string{
			"21:33: spec.faults[1].when.faultLanded.fault: never comes: kill's injection waits for kill's injection"}},
		"wait for each other": {"{executorsRegistered: {atLeast: 2}, delay: 1s..3s, deadline: 90s}", "{faultLanded: {fault: kill}}", []string{
			"17:33: spec.faults[0].when.faultLanded.fault: never comes: lose's injection waits for kill's injection, which " +
				"waits for lose's injection"}},
		"waits for its own recovery": {"{executorsRegistered: {atLeast: 2}, delay: 1s..3s, deadline: 90s}", "{faultRecovered: {fault: lose}}",
			[]string{
				"17:36: spec.faults[0].when.faultRecovered.fault: never comes: lose's injection waits for lose's recovery, which " +
					"waits for lose's injection"}},
		"no expectation": {"\n  - completes: {within: 3m}\n  - resultEqualsBaseline: {}\n  control: {endsIn: violation, violated: [completes]}",
			" []", []string{
				"22:11: spec.expect: names no invariant, so nothing could be violated; known are completes, atMostOneDriver, " +
					"resultEqualsBaseline, recoversFrom"}},
		"unknown invariant": {"- resultEqualsBaseline", "- resultEqualBaseline",
			[]string{"24:5: spec.expect[1].resultEqualBaseline: unknown invariant; did you mean resultEqualsBaseline?"}},
		"invariant twice": {"resultEqualsBaseline: {}", "completes: {within: 1m}",
			[]string{"24:16: spec.expect[1].completes: is expected by spec.expect[0] already; keep one"}},
		"bound without unit": {"within: 3m", "within: 3",
			[]string{`23:25: spec.expect[0].completes.within: "3" has no unit; write 3s or 3ms`}},
		"bound missing": {"{within: 3m}", "{}", []string{"23:16: spec.expect[0].completes.within: missing; it must be given"}},
		"invariant of no fault": {"resultEqualsBaseline: {}", "recoversFrom: {fault: los}",
			[]string{`24:27: spec.expect[1].recoversFrom.fault: no fault is called "los"; did you mean lose?`}},
		"control without invariants": {", violated: [completes]", "",
			[]string{"25:12: spec.control.violated: missing; name the invariants that this control must violate"}},
		"inconclusive but violated": {"endsIn: violation", "endsIn: inconclusive, notLanded: [kill]",
			[]string{"25:64: spec.control.violated: a control that ends inconclusive violates nothing; leave this out or write endsIn: violation"}},
		"inconclusive for no reason": {"{endsIn: violation, violated: [completes]}", "{endsIn: inconclusive}",
			[]string{"25:12: spec.control.notLanded: missing; name the faults that must not land: whatever else makes the run " +
				"inconclusive proves nothing"}},
		"violation of what did not land": {"endsIn: violation,", "endsIn: violation, notLanded: [kill],",
			[]string{"25:43: spec.control.notLanded: a fault that does not land makes the run inconclusive; leave this out or " +
				"write endsIn: inconclusive"}},
		"another fault must not land": {"{endsIn: violation, violated: [completes]}", "{endsIn: inconclusive, notLanded: [kil, lose, lose]}",
			[]string{
				`25:47: spec.control.notLanded[0]: no fault is called "kil"; did you mean kill?`,
				`25:58: spec.control.notLanded[2]: "lose" is named twice; keep one`}},
		"control of something else": {"violated: [completes]", "violated: [completes, atMostOneDriver, completes]",
			[]string{`25:54: spec.control.violated[1]: "atMostOneDriver" is not expected in spec.expect, so it cannot be violated; known are ` +
				`completes, resultEqualsBaseline`, `25:71: spec.control.violated[2]: "completes" is named twice; keep one`}},
		"settle in no time": {"settle: 90s", "settle: 10ms", []string{"26:11: spec.settle: 10ms is too small; want at least 1s"}},
		"a field given twice": {"  settle: 90s", "  settle: 90s\n  settle: 91s",
			[]string{"27:3: spec.settle: given twice; it is in line 26 already"}},
		"a second scenario in a file": {"  settle: 90s\n", "---\nkind: Scenario\n",
			[]string{"26:1: a second document begins here; put each into a file of its own"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load("f.yaml", []byte(with(t, test.old, test.new)), fakeCatalogue())
			var problems *Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if diff := cmp.Diff("f.yaml:"+strings.Join(test.want, "\nf.yaml:"), problems.Error()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadTellsProblemsOfAllPartsTogether(t *testing.T) {
	t.Parallel()
	data := strings.NewReplacer("kind: Job", "kind: job", "delay: 5s", "delay: 5", "nodePowerOff", "nodePowerOf", "within: 3m",
		"wihtin: 3m").Replace(good)
	_, err := Load("f.yaml", []byte(data), fakeCatalogue())
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var paths []string
	for _, p := range problems.Problems {
		paths = append(paths, p.Path)
	}
	want := []string{"spec.workload.driver.kind", "spec.faults[0].inject.nodePowerOf", "spec.faults[0].recover.delay",
		"spec.expect[0].completes.within", "spec.expect[0].completes.wihtin"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestLoadDecodesArguments(t *testing.T) {
	t.Parallel()
	s, err := Load("f.yaml", []byte(good), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	index, grace := 1, Duration(3e9)
	want := []Fault{
		{
			Name:   "lose",
			Inject: Choice{Name: "nodePowerOff", Args: &fakeNodeArgs{Node: NodeSelector{Of: OfDriver}}},
			When: Moment{
				Anchor: Choice{Name: "executorsRegistered", Args: &fakeCountArgs{AtLeast: 2}},
				Delay:  Span{Min: Duration(1e9), Max: Duration(3e9)}, Deadline: Duration(90e9),
			},
			Recover: &Recover{When: Moment{Anchor: Choice{Name: "driverRescheduled", Args: &fakeNone{}}}, Delay: Exactly(5e9)},
		},
		{
			Name:   "kill",
			Inject: Choice{Name: "podKill", Args: &fakePodArgs{Pod: PodSelector{Of: OfExecutor, Index: &index}, Grace: &grace}},
			When:   Moment{Anchor: Choice{Name: AnchorFaultLanded, Args: &fakeFaultArgs{Fault: "lose"}}},
		},
	}
	if diff := cmp.Diff(want, s.Spec.Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestArgumentsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	s, err := Load("f.yaml", []byte(with(t, "executorsRegistered: {atLeast: 2}", "executorsRegistered: {}")), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Spec.Faults[0].When.Anchor.Args.(*fakeCountArgs).AtLeast; got != 1 {
		t.Errorf("atLeast is %d, want the catalogue's default 1", got)
	}
}

func TestMarshalledScenarioIsTheSame(t *testing.T) {
	t.Parallel()
	first, err := Load("f.yaml", []byte(good), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	for _, defaulted := range []bool{false, true} {
		if defaulted {
			Default(first)
		}
		written, err := Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load("again.yaml", written, fakeCatalogue())
		if err != nil {
			t.Fatalf("%s\ncannot be read again: %v", written, err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("read again, defaulted %t (-first +again):\n%s", defaulted, diff)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(strings.ReplaceAll(good, "timing: fast", "timing: &t {nodeLeaseDuration: 3s}")))
	f.Add([]byte("spec: {faults: [{name: a, when: {faultRecovered: {fault: a}}}, {}], expect: [{}]}\nkind: Scenario"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Load("f.yaml", data, fakeCatalogue())
		if err != nil {
			var problems *Error
			if !errors.As(err, &problems) || s != nil {
				t.Fatalf("got %v and %v, want problems alone", s, err)
			}
			return
		}
		written, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load("again.yaml", written, fakeCatalogue())
		if err != nil {
			t.Fatalf("%s\ncannot be read again: %v", written, err)
		}
		rewritten, err := Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(written), string(rewritten)); diff != "" {
			t.Fatalf("written twice (-first +second):\n%s", diff)
		}
	})
}
