package check

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestStaleExecutorsGone(t *testing.T) {
	t.Parallel()
	runInvariant(t, "staleExecutorsGone", args{"within": "30s"}, []invariantCase{
		{name: "in time", want: Pass, measure: "20s", says: "all 2 executors"},
		{name: "late", args: args{"within": "19s"}, want: Violation, measure: "20s", says: "later than 19s"},
		{name: "the pod ended but its process lived on", want: Violation, measure: "35s",
			twist: func(s *historytest.Story) { s.Drivers[0].Executors[0].Silent = 45 * second }},
		{name: "the process ended but its pod stays", want: Violation, measure: "never", twist: func(s *historytest.Story) {
			s.Drivers[0].Executors[1].Finished, s.Drivers[0].Executors[1].Deleted = 0, 0
		}},
		{name: "there at the end, before the bound", args: args{"within": "10m"}, want: Inconclusive, says: "was not certainly gone by then",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Executors[1].Finished, s.Drivers[0].Executors[1].Deleted = 0, 0
			}},
		{name: "nothing was seen of pods any more, from before the bound", want: Inconclusive, says: "was not certainly gone by then",
			twist: both(func(s *historytest.Story) {
				s.Drivers[0].Executors[1].Finished, s.Drivers[0].Executors[1].Deleted = 0, 0
			}, blindSince(25*second))},
		{name: "on the dead node the silence counts, not the pod", want: Pass, measure: "20s", twist: func(s *historytest.Story) {
			s.Drivers[0].Executors[1].Node, s.Drivers[0].Executors[1].Silent = "n1", 10*second
			s.Drivers[0].Executors[1].Finished, s.Drivers[0].Executors[1].Deleted = 0, 58*second
		}},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: unreadDisk},
		{name: "counted from the driver's last sign of life", want: Pass, measure: "5s", twist: zombie(25 * second)},
		{name: "ended before their driver", want: Pass, measure: "0s", says: "all 2 executors of replaced incarnations ended no later than " +
			"their drivers", twist: zombie(35 * second)},
		{name: "counted from the fault, if the driver never reported", want: Pass, measure: "20s",
			twist: func(s *historytest.Story) { s.Drivers[0].Started = 0 }},
		{name: "a clock was put wrong by a fault", want: Inconclusive, twist: adding(skewClock)},
		{name: "the replaced driver had no executor", want: Inconclusive, says: "no executor could become stale",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Executors = nil
			}},
		{name: "an old executor is used by the new driver", want: Violation, says: "uses executor 2", twist: func(s *historytest.Story) {
			s.Drivers[1].Executors[1].Created = 0
			s.Drivers[1].Executors = s.Drivers[1].Executors[:1]
			s.Extra = registered("d2", "2")
		}},
		{name: "driver not replaced", want: Inconclusive, twist: withoutReplacement},
		{name: "pods unseen for a while", want: Inconclusive, twist: podGap},
	})
}

// An executor without any record, on a node that a fault hides: its kubelet's word that its container ended is proof of its end, and the
// API server's that its object is gone is not.
func TestStaleExecutorsThatNobodyHeard(t *testing.T) {
	t.Parallel()
	unheard := func(status map[string]any) func(*historytest.Story) {
		return func(s *historytest.Story) {
			s.FaultKind = "nodeIsolate"
			s.Extra = func(b *historytest.Builder) {
				object := map[string]any{
					"metadata": map[string]any{"uid": "late", "name": "driver-d1-exec-3", "namespace": historytest.Namespace,
						"labels":          map[string]any{"spark-role": "executor", "spark-exec-id": "3", "spark-app-selector": "spark-1"},
						"ownerReferences": []any{map[string]any{"kind": "Pod", "name": "driver-d1", "uid": "d1", "controller": true}}},
					"spec": map[string]any{"nodeName": "n1"}, "status": map[string]any{"phase": "Pending"},
				}
				late := &history.Object{Kind: "Pod", Namespace: historytest.Namespace, Name: "driver-d1-exec-3", UID: "late"}
				b.Add(20*second, history.Kubernetes, history.Added, late, object)
				object["status"] = status
				b.Add(25*second, history.Kubernetes, history.Modified, late, object)
				b.Add(26*second, history.Kubernetes, history.Deleted, late, object)
			}
		}
	}
	ended := func(state map[string]any) map[string]any {
		return map[string]any{"phase": "Failed", "containerStatuses": []any{map[string]any{"containerID": "c", "state": state}}}
	}
	finished := map[string]any{"terminated": map[string]any{"finishedAt": historytest.Stamp(25 * second)}}
	runInvariant(t, "staleExecutorsGone", args{"within": "30s"}, []invariantCase{
		{name: "its object is gone", twist: unheard(map[string]any{"phase": "Pending"}), want: Inconclusive,
			says: "nothing is known of driver-d1-exec-3"},
		{name: "its container ended", twist: unheard(ended(finished)), want: Pass, says: "all 3 executors"},
		{name: "its container ended too late", args: args{"within": "10s"}, twist: unheard(ended(finished)), want: Violation},
		{name: "its kubelet lost sight of its container", want: Inconclusive, says: "nothing is known of driver-d1-exec-3",
			twist: unheard(ended(map[string]any{"terminated": map[string]any{"reason": "ContainerStatusUnknown"}}))},
	})
}
