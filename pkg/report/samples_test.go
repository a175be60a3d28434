package report

import (
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

const hostileText = "a|b`c` <script>alert(1)</script> [x](http://e) **b** _i_ # \x1b[31mred\x1b[0m \x00\x07 \u202Eright\u2069 \n| next | " +
	"line |\r\n- item \xff & ]]> ' \" $x$ \uFFFE"

func info() RunInfo {
	return RunInfo{Directory: "runs/latest", Took: 61234 * time.Millisecond, Environment: Environment{
		ClusterKind: "embedded", ClusterName: "test",
		Versions: map[string]string{"spark": "4.1.0", "kubernetes": "v1.36.3"},
	}}
}

func passing() check.RunVerdict {
	return check.RunVerdict{
		FormatVersion: VerdictFormatVersion, Verdict: check.Pass, Reason: "all 3 invariants held", Scenario: "driver-node-power-off", Seed: 42,
		RunID: "20260102-030405-driver-node-power-off-42", HistorySHA256: strings.Repeat("ab", 32), Events: 1234,
		Results: []check.Result{
			{Invariant: "driverRescheduled", Verdict: check.Pass, Message: "incarnation 2 ran on worker-2 14.2s after the power-off of worker-1",
				Measured: "14.2s", Bound: "60s", Evidence: []int64{120, 245},
				Assumptions: []check.Assumption{{What: "the fault landed", Held: true}},
				Narrative: []check.EvidenceLine{{Seq: 120, Offset: 20 * time.Second, Text: "lose-driver-node landed: worker-1 is off"},
					{Seq: 245, Offset: 34200 * time.Millisecond, Text: "pod wc-driver-2 is Running on worker-2"}}},
			{Invariant: "executorNamesUnique", Verdict: check.Pass, Message: "4 names, none twice", Measured: "4 names",
				Evidence: []int64{50, 51, 52, 53, 60, 61, 62, 63}},
			{Invariant: "recoveryWithin", Verdict: check.Pass, Message: "recovered in 21.5s", Measured: "21.5s", Bound: "90s",
				Evidence: []int64{120, 300}, Phases: []check.Phase{
					{Fault: "lose-driver-node", Name: "detection", Duration: 8100 * time.Millisecond, Bound: 20 * time.Second, From: 120, To: 180},
					{Fault: "lose-driver-node", Name: "eviction", Duration: 950 * time.Millisecond, From: 180, To: 200},
					{Fault: "lose-driver-node", Name: "driver start", Duration: 12 * time.Second, Bound: 10 * time.Second, From: 200, To: 300},
				}},
		},
		Faults: []check.Landed{{Fault: "lose-driver-node", Kind: "nodePowerOff", Landed: true, Recovered: true, Evidence: 120}},
	}
}

func violated() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Violation, "driverRescheduled was violated"
	v.Results[0].Verdict = check.Violation
	v.Results[0].Message = "no new incarnation ran within 60s after the power-off of worker-1; pod wc-driver-2 stayed Pending"
	v.Results[0].Measured = "never"
	v.Results[1].Verdict, v.Results[1].Message = check.Inconclusive, "the witness was not heard of"
	v.Results[1].Assumptions = []check.Assumption{{What: "the witness was heard of each driver", Held: false}}
	v.Faults[0].Recovered, v.Faults[0].Reason = false, "node worker-1 has Ready=Unknown"
	return v
}

func notLanded() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Inconclusive, "fault lose-driver-node did not land"
	for i := range v.Results {
		v.Results[i] = check.Result{Invariant: v.Results[i].Invariant, Verdict: check.Inconclusive, Message: "the fault did not land"}
	}
	v.Faults = []check.Landed{{Fault: "lose-driver-node", Kind: "nodePowerOff", Reason: "node worker-1 is on with 10 processes; expected off",
		Recovered: true}}
	return v
}

func controlAsExpected() check.RunVerdict {
	v := violated()
	v.Verdict, v.Reason, v.Scenario = check.Pass, "the control ended as expected", "driver-as-pod"
	v.Control = &check.Control{Expected: check.Violation, Invariants: []string{"driverRescheduled"}, Judged: check.Violation, AsExpected: true}
	v.Results = v.Results[:1]
	v.Faults[0] = check.Landed{Fault: "lose-driver-node", Kind: "nodePowerOff", Landed: true, Recovered: true, Evidence: 120}
	return v
}

func controlNoop() check.RunVerdict {
	v := notLanded()
	v.Verdict, v.Reason, v.Scenario = check.Pass, "the control ended as expected", "noop-power-off"
	v.Control = &check.Control{Expected: check.Inconclusive, Judged: check.Inconclusive, AsExpected: true}
	return v
}

func controlTooGood() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Violation, "the control did not end as expected"
	v.Control = &check.Control{Expected: check.Violation, Invariants: []string{"driverRescheduled"}, Judged: check.Pass}
	return v
}

func environmentError() check.RunVerdict {
	return check.RunVerdict{FormatVersion: VerdictFormatVersion, Verdict: check.Error,
		Reason: "the cluster did not start: no kubelet on worker-1", Scenario: "driver-node-power-off", Seed: 7, RunID: "r", Events: 3}
}

// refused is the verdict of a run that ended before anything was launched.
func refused() check.RunVerdict {
	return check.RunVerdict{FormatVersion: VerdictFormatVersion, Verdict: check.Error,
		Reason: "preflight: spec.workload.imageArchive: image archive billing.tar is no tar", Scenario: "billing", Seed: 7, RunID: "r", Events: 4,
		Results: []check.Result{{Invariant: "atMostOneDriver", Verdict: check.Inconclusive, Message: "no driver ran"},
			{Invariant: "completes", Verdict: check.Inconclusive, Message: "the workload was never launched"}},
		Faults: []check.Landed{{Fault: "lose-driver-node", Kind: "nodePowerOff", Reason: "it was never injected"}}}
}

func hostile() check.RunVerdict {
	v := violated()
	v.Scenario, v.Reason, v.RunID, v.HistorySHA256 = hostileText, hostileText, hostileText, hostileText
	v.Results[0].Invariant, v.Results[0].Message, v.Results[0].Measured, v.Results[0].Bound = hostileText, hostileText, hostileText,
		hostileText
	v.Results[0].Narrative = []check.EvidenceLine{{Seq: 1, Text: hostileText}}
	v.Results[1].Assumptions = []check.Assumption{{What: hostileText}}
	v.Results[2].Phases = []check.Phase{{Fault: hostileText, Name: hostileText}}
	v.Faults[0].Fault, v.Faults[0].Kind, v.Faults[0].Reason = hostileText, hostileText, hostileText
	return v
}

func hostileInfo() RunInfo {
	i := info()
	i.Directory = "runs/it's " + hostileText
	i.Environment.ClusterKind, i.Environment.ClusterName = hostileText, hostileText
	i.Environment.Versions = map[string]string{hostileText: hostileText}
	return i
}

type sample struct {
	name    string
	verdict check.RunVerdict
	info    RunInfo
}

func samples() []sample {
	return []sample{
		{"pass", passing(), info()},
		{"violation", violated(), info()},
		{"not-landed", notLanded(), info()},
		{"error", environmentError(), RunInfo{Directory: "runs/x"}},
		{"refused", refused(), RunInfo{Directory: "runs/x"}},
		{"control-as-expected", controlAsExpected(), info()},
		{"control-noop", controlNoop(), info()},
		{"control-too-good", controlTooGood(), info()},
		{"hostile", hostile(), hostileInfo()},
	}
}
