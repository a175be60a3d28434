package check

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// runCase is a story with a twist and what the whole run comes to.
type runCase struct {
	name  string
	plan  map[string]any // everything() if nil
	twist func(*historytest.Story)
	want  Verdict
	says  string
}

func judgeRuns(t *testing.T, cases []runCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := tt.plan
			if plan == nil {
				plan = everything()
			}
			story := historytest.PowerOff(plan)
			if tt.twist != nil {
				tt.twist(story)
			}
			if v, _ := judgeStory(t, story); v.Verdict != tt.want || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("%s: %s; want %s with %q", v.Verdict, v.Reason, tt.want, tt.says)
			}
		})
	}
}

// adding adds events to a story.
func adding(add func(*historytest.Builder)) func(*historytest.Story) {
	return func(s *historytest.Story) {
		before := s.Extra
		s.Extra = func(b *historytest.Builder) {
			if before != nil {
				before(b)
			}
			add(b)
		}
	}
}

func TestDisturbancesByOthers(t *testing.T) {
	t.Parallel()
	node := func(at time.Duration, name string, boot string, taints ...any) func(*historytest.Builder) {
		return func(b *historytest.Builder) {
			b.Add(at, history.Kubernetes, history.Modified, &history.Object{Kind: "Node", Name: name}, map[string]any{
				"spec": map[string]any{"taints": taints},
				"status": map[string]any{
					"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}, "nodeInfo": map[string]any{"bootID": boot},
				},
			})
		}
	}
	taint := func(key string) any { return map[string]any{"key": key, "value": "", "effect": "NoExecute"} }
	evicted := func(uid, on string) func(*historytest.Builder) {
		return func(b *historytest.Builder) {
			b.Add(36*second, history.Kubernetes, history.Modified,
				&history.Object{Kind: "Pod", Namespace: historytest.Namespace, Name: uid, UID: uid}, map[string]any{
					"metadata": map[string]any{"uid": uid, "name": uid, "namespace": historytest.Namespace,
						"ownerReferences": []any{map[string]any{"kind": "Pod", "uid": "d2", "controller": true}}},
					"spec": map[string]any{"nodeName": on},
					"status": map[string]any{"phase": "Running",
						"conditions": []any{map[string]any{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}}},
				})
		}
	}
	judgeRuns(t, []runCase{
		{name: "another node is lost", want: Inconclusive, says: "node n3 was not Ready any more (Unknown), which no fault explains",
			twist: adding(func(b *historytest.Builder) {
				b.Node(33*second, history.Modified, "n3", "Unknown")
			})},
		{name: "another node was not Ready before the launch", want: Pass, twist: adding(func(b *historytest.Builder) {
			b.Node(200*time.Millisecond, history.Modified, "n3", "Unknown")
			b.Node(33*second, history.Modified, "n3", "True")
		})},
		{name: "another node is booted", want: Inconclusive, says: "node n3 was booted", twist: adding(func(b *historytest.Builder) {
			node(200*time.Millisecond, "n3", "one")(b)
			node(33*second, "n3", "two")(b)
		})},
		{name: "the node of the fault is booted, which undoes it", want: Pass, twist: adding(func(b *historytest.Builder) {
			node(200*time.Millisecond, "n1", "one")(b)
			node(41500*time.Millisecond, "n1", "two")(b)
		})},
		{name: "another node is tainted", want: Inconclusive, says: "node n2 got the taint maintenance=:NoExecute",
			twist: adding(func(b *historytest.Builder) {
				node(200*time.Millisecond, "n2", "one")(b)
				node(33*second, "n2", "one", taint("maintenance"))(b)
			})},
		{name: "a taint that was there before", want: Pass, twist: adding(func(b *historytest.Builder) {
			node(200*time.Millisecond, "n2", "one", taint("maintenance"))(b)
			node(33*second, "n2", "one", taint("maintenance"))(b)
		})},
		{name: "a taint that follows the readiness", want: Pass, twist: adding(func(b *historytest.Builder) {
			node(200*time.Millisecond, "n1", "one")(b)
			node(14*second+1, "n1", "one", taint("node.kubernetes.io/unreachable"))(b)
		})},
		{name: "nodes are silent for a moment after the API server was away", want: Pass, twist: adding(func(b *historytest.Builder) {
			b.Add(32*second, history.Kubernetes, history.Outage, &history.Object{Kind: "Node"},
				history.GapData{Reason: "connection refused", For: 5 * second})
			b.Node(33*second, history.Modified, "n3", "Unknown")
			b.Node(35*second, history.Modified, "n3", "True")
		})},
		{name: "a node that stays silent after the API server was away", want: Inconclusive, says: "node n3 was not Ready",
			twist: adding(func(b *historytest.Builder) {
				b.Add(32*second, history.Kubernetes, history.Outage, &history.Object{Kind: "Node"},
					history.GapData{Reason: "connection refused", For: 5 * second})
				b.Node(33*second, history.Modified, "n3", "Unknown")
			})},
		{name: "a pod is evicted", want: Inconclusive, says: "pod driver-d2-exec-1 on node n2 was taken away (EvictionByEvictionAPI)",
			twist: adding(evicted("e3", "n2"))},
		{name: "a violation beside it is not certain", plan: historytest.Expect("driverRescheduled", args{"within": "10s"}), want: Inconclusive,
			says: "node n3 was not Ready", twist: adding(func(b *historytest.Builder) {
				b.Node(12*second, history.Modified, "n3", "Unknown")
			})},
		{name: "what events prove stays a violation beside it", want: Violation, says: "applicationIdsUnique",
			twist: both(adding(func(b *historytest.Builder) {
				b.Node(12*second, history.Modified, "n3", "Unknown")
			}), func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" })},
	})
}

// starvation tells that the machine was busy in a time.
func starvation(from, to time.Duration, load history.LoadData) func(*historytest.Story) {
	return adding(func(b *historytest.Builder) {
		load.For, load.CPUs = 5*second, 2
		for at := from + 5*second; at <= to; at += 5 * second {
			b.Harness(at, history.LoadMeasured, load)
		}
	})
}

func TestStarvedMachines(t *testing.T) {
	t.Parallel()
	late := historytest.Expect("driverRescheduled", args{"within": "14s"})
	busy := history.LoadData{Runnable: 9, CPU: 0.99}
	judgeRuns(t, []runCase{
		{name: "late on a quiet machine", plan: late, want: Violation, twist: starvation(0, 60*second, history.LoadData{Runnable: 3, CPU: 0.6})},
		{name: "late on a starved machine", plan: late, want: Inconclusive, says: "4.5 processes wanted each CPU (limit 4)",
			twist: starvation(0, 60*second, busy)},
		{name: "starved, but not then", plan: late, want: Violation, twist: starvation(30*second, 60*second, busy)},
		{name: "a timer was late", plan: late, want: Inconclusive, says: "a timer of the harness was late by 1.5s",
			twist: starvation(0, 60*second, history.LoadData{Runnable: 1, TimerLate: 1500 * time.Millisecond})},
		{name: "no figures", plan: late, want: Violation, twist: starvation(0, 60*second, history.LoadData{Runnable: -1, CPU: -1})},
		{name: "a JVM stood still", plan: late, want: Inconclusive, says: "the JVM in pod driver-d1-exec-1 stood still for 4s",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Executors[0].Silent = 15 * second
				adding(func(b *historytest.Builder) {
					b.Beats(19*second, 29*second, history.WitnessRecord{Role: "executor", PodUID: "e1", PodName: "driver-d1-exec-1", Node: "n2",
						Incarnation: "d1"})
				})(s)
			}},
		{name: "a JVM stood still, which a fault explains", plan: late, want: Violation, twist: func(s *historytest.Story) {
			s.FaultKind, s.Targets = "nodeFreeze", []history.Object{{Kind: "Node", Name: "n1"}, {Kind: "Node", Name: "n2"}}
			s.Drivers[0].Executors[0].Silent = 15 * second
			adding(func(b *historytest.Builder) {
				b.Beats(19*second, 29*second, history.WitnessRecord{Role: "executor", PodUID: "e1", PodName: "driver-d1-exec-1", Node: "n2",
					Incarnation: "d1"})
			})(s)
		}},
		{name: "much later than any load explains", plan: historytest.Expect("driverRescheduled", args{"within": "2s"}), want: Violation,
			twist: starvation(0, 60*second, busy)},
		{name: "never, on a starved machine", plan: historytest.Expect("completes", args{"within": "45s"}), want: Inconclusive,
			says: "the machine was starved", twist: both(withoutReplacement, starvation(0, 60*second, busy))},
		{name: "a violation that does not rest on time", plan: historytest.Expect("atMostOneDriver", args{"overlap": "0s"}), want: Violation,
			twist: both(zombie(36*second), starvation(0, 60*second, busy))},
	})
}

func TestCompleteRecords(t *testing.T) {
	t.Parallel()
	overlap := historytest.Expect("atMostOneDriver", args{"overlap": "0s"})
	disk := func(change func(*history.CollectionData)) func(*historytest.Story) {
		return func(s *historytest.Story) {
			s.FaultKind, s.Drivers[0].Silent = "nodeIsolate", 15*second
			truth := historytest.New()
			truth.Beats(3*second, 15*second, history.WitnessRecord{PodUID: "d1", Node: "n1"})
			data := truth.Disk("n1")
			data.Records, data.Writers[0].Records, data.Writers[0].Last = 125, 125, 125
			change(&data)
			s.Collected[0] = data
		}
	}
	trouble := func(what string) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			b.Witness(27*second, 27*second, history.WitnessRecord{
				Type: history.WitnessTrouble, Role: "driver", PodUID: "d2", PodName: "driver-d2", Node: "n2", Incarnation: "d2",
				Detail: map[string]string{"what": what, "error": "no space left"},
			})
		})
	}
	hole := func(s *historytest.Story) {
		adding(func(b *historytest.Builder) {
			record := history.WitnessRecord{Type: history.Heartbeat, Role: "driver", PodUID: "d2", PodName: "driver-d2", Node: "n2",
				Incarnation: "d2", Seq: 9999}
			b.Witness(44*second, 44*second, record)
		})(s)
	}
	judgeRuns(t, []runCase{
		{name: "all", plan: overlap, want: Pass, twist: disk(func(*history.CollectionData) {})},
		{name: "fewer records than are known", plan: overlap, want: Inconclusive, says: "its disk gave 90 records",
			twist: disk(func(c *history.CollectionData) { c.Writers, c.Records = nil, 90 })},
		{name: "fewer files than processes", plan: overlap, want: Inconclusive, says: "its disk gave the files of 0 processes",
			twist: disk(func(c *history.CollectionData) {
				c.Writers, c.Files, c.Records = nil, 0, 1000
			})},
		{name: "the driver's file is not there", plan: overlap, want: Inconclusive,
			says:  "the file of pod driver-d1, which reported, is not on its disk",
			twist: disk(func(c *history.CollectionData) { c.Writers[0].PodUID = "other" })},
		{name: "the driver's file ends early", plan: overlap, want: Inconclusive, says: "ends with record 50",
			twist: disk(func(c *history.CollectionData) { c.Writers[0].Last = 50 })},
		{name: "a short file of a driver that a power loss ended, all of whose records came by HTTP", plan: overlap, want: Pass,
			twist: func(s *historytest.Story) {
				s.Collected[0] = history.CollectionData{Node: "n1", Files: 1, Records: 60}
			}},
		{name: "an older release's disk gave more records than the history has", plan: overlap, want: Inconclusive,
			says: "its disk gave 126 records, the history has 125", twist: disk(func(c *history.CollectionData) {
				c.Writers, c.Records = nil, 126
			})},
		{name: "an older release's disk gave what the history has", plan: overlap, want: Pass,
			twist: disk(func(c *history.CollectionData) { c.Writers, c.Records = nil, 125 })},
		{name: "a second process in the pod, which repeats the numbers", plan: overlap, want: Inconclusive,
			says: "record 1 of pod d2 came twice with different content: a second process ran in the pod",
			twist: adding(func(b *historytest.Builder) {
				record := history.WitnessRecord{Type: history.DriverStarted, Role: "driver", PodUID: "d2", PodName: "driver-d2", Node: "n2",
					Incarnation: "d2", Seq: 1}
				b.Witness(36*second, 36*second, record)
			})},
		{name: "numbers are missing", plan: overlap, want: Inconclusive, says: "records of pod driver-d2 are missing", twist: hole},
		{name: "the plugin could not write", plan: overlap, want: Inconclusive,
			says: "the witness in pod driver-d2 had trouble: write: no space left", twist: trouble("write")},
		{name: "the plugin could not send what the disk has", plan: overlap, want: Pass, twist: trouble("send")},
		{name: "a record came twice, differently", plan: overlap, want: Inconclusive, says: "somebody wrote in its name",
			twist: adding(func(b *historytest.Builder) {
				b.Harness(52*second, history.RecordConflict, history.ConflictData{PodUID: "d1", Seq: 5})
			})},
		{name: "a result that is missing from a record with holes", want: Inconclusive,
			plan: historytest.Expect("resultEqualsBaseline", args{}), says: "are missing", twist: both(hole, func(s *historytest.Story) {
				s.Drivers[1].Commits = nil
			})},
		{name: "a result that is missing from a whole record", want: Violation, plan: historytest.Expect("resultEqualsBaseline", args{}),
			twist: func(s *historytest.Story) { s.Drivers[1].Commits = nil }},
	})
}

func TestFaultsThatDidNothing(t *testing.T) {
	t.Parallel()
	judgeRuns(t, []runCase{
		{name: "on a node that carries nothing", want: Inconclusive, says: "hit nothing of the application", twist: func(s *historytest.Story) {
			onlyDriver(s)
			s.Targets = []history.Object{{Kind: "Node", Name: "n9"}}
		}},
		{name: "after the end", want: Inconclusive, says: "only after the application had ended", twist: func(s *historytest.Story) {
			onlyDriver(s)
			s.Began, s.Landed, s.Recovered = 46*second, 46500*time.Millisecond, 49*second
		}},
		{name: "before the launch", want: Inconclusive, says: "before the workload was launched", twist: func(s *historytest.Story) {
			onlyDriver(s)
			s.Began, s.Landed = 100*time.Millisecond, 200*time.Millisecond
		}},
		{name: "a fault that does not say on what", plan: historytest.Expect("completes", args{"within": "50s"}), want: Inconclusive,
			says: "it does not say on what", twist: func(s *historytest.Story) {
				onlyDriver(s)
				s.Targets = nil
			}},
		{name: "no fault was planned", plan: map[string]any{"expect": []any{args{"completes": args{"within": "1m"}}}}, want: Inconclusive,
			says: "no fault was planned", twist: both(withoutFault, onlyDriver)},
		{name: "a cordon that is to leave all running", plan: historytest.Expect("completes", args{"within": "50s"}), want: Pass,
			twist: func(s *historytest.Story) {
				onlyDriver(s)
				s.FaultKind, s.Leaves = "nodeCordon", true
			}},
		{name: "the driver fails by itself", plan: historytest.Expect("completes", args{"within": "50s"}), want: Inconclusive,
			says: "no fault explains why incarnation 1 (pod driver-d1), on node n1, was replaced", twist: func(s *historytest.Story) {
				s.Targets, s.NotReady = []history.Object{{Kind: "Node", Name: "n3"}}, 0
				s.Drivers[0].Terminating = 0
			}},
		{name: "a step that nobody understands", plan: map[string]any{
			"steps": []any{args{"fault": historytest.FaultName, "action": "strike"}}, "expect": []any{args{"completes": args{"within": "50s"}}},
		}, want: Inconclusive, says: `has the action "strike"`},
		{name: "a plan of another version", plan: map[string]any{"apiVersion": "sparkchaos.dev/v2", "expect": []any{}}, want: Inconclusive,
			says: `the version "sparkchaos.dev/v2"`},
		{name: "a plan with a field that nobody knows", plan: map[string]any{"expects": []any{}}, want: Inconclusive, says: "unknown field"},
	})
}

func TestDriverKept(t *testing.T) {
	t.Parallel()
	kept := func(s *historytest.Story) {
		onlyDriver(s)
		s.Targets = []history.Object{{Kind: "Node", Name: "n3"}}
		s.Drivers[0].Executors[1].Silent, s.Drivers[0].Executors[1].Finished, s.Drivers[0].Executors[1].Deleted = 10*second, 0, 42*second
	}
	runInvariant(t, "driverKept", args{}, []invariantCase{
		{name: "kept", want: Pass, measure: "1 incarnation", twist: kept, shows: []string{"hits Node n3", "the application ended well"}},
		{name: "replaced", want: Violation, measure: "2 incarnations", says: "though no fault hit it", twist: func(s *historytest.Story) {
			s.Targets, s.NotReady = []history.Object{{Kind: "Node", Name: "n3"}}, 0
		}, shows: []string{"incarnation 2 (pod driver-d2) is made"}},
		{name: "deleted", want: Violation, says: "was deleted before the application had ended", twist: both(kept, func(s *historytest.Story) {
			d := &s.Drivers[0]
			d.Terminating, d.Finished, d.Deleted, s.Completed = 30*second, 0, 31*second, 0
		})},
		{name: "failed for good", want: Violation, says: "failed, though no fault hit it", twist: both(kept, func(s *historytest.Story) {
			s.Completed = 0
			s.Extra = func(b *historytest.Builder) {
				b.Job(40*second, history.Modified, historytest.Namespace, historytest.JobUID, "Failed")
			}
		})},
		{name: "aimed at", want: Inconclusive, says: "hit the driver"},
		{name: "no fault", want: Inconclusive, says: "no fault landed", twist: both(kept, withoutFault)},
		{name: "not at its end yet", want: Inconclusive, says: "the application ended well",
			twist: both(kept, func(s *historytest.Story) { s.Completed = 0 })},
		{name: "pods unseen for a while", want: Inconclusive, twist: both(kept, podGap)},
		{name: "no driver", want: Inconclusive, says: "no driver was seen", twist: func(s *historytest.Story) { s.Drivers = nil }},
		{name: "a driver whose pod nobody saw", want: Inconclusive, says: "the pod of the first driver was never seen",
			twist: both(kept, func(s *historytest.Story) {
				s.Drivers = nil
			}, adding(unseenDriver("d1", 3*second, 44*second)))},
		{name: "replaced by one whose pod nobody saw", want: Violation, says: "though no fault hit it",
			twist: both(kept, adding(unseenDriver("d9", 30*second, 40*second))),
			shows: []string{"gives its first sign of life"}},
		{name: "deleted, and the Job complete before", want: Pass, twist: both(kept, func(s *historytest.Story) {
			d := &s.Drivers[0]
			d.Finished, d.Terminating, d.Deleted = 0, s.Completed+second, s.Completed+2*second
		})},
	})
}

// unseenDriver reports a driver by its own records alone.
func unseenDriver(uid string, from, to time.Duration) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		self := history.WitnessRecord{Role: "driver", PodUID: uid, PodName: "driver-" + uid, Node: "n2", AppID: "spark-" + uid, Incarnation: uid}
		b.Beats(from, to, self)
	}
}

func TestHorizon(t *testing.T) {
	t.Parallel()
	judgeRuns(t, []runCase{
		{name: "old executors that the clean-up removes are not gone", plan: historytest.Expect("staleExecutorsGone", args{"within": "60s"}),
			want: Inconclusive, says: "was not certainly gone", twist: func(s *historytest.Story) {
				for i := range s.Drivers[0].Executors {
					e := &s.Drivers[0].Executors[i]
					e.Silent, e.Finished, e.Deleted = 49*second, 0, 56*second
				}
			}},
		{name: "nor do they prove a violation", plan: historytest.Expect("completes", args{"within": "55s"}), want: Inconclusive,
			twist: func(s *historytest.Story) { s.Completed = 0 }},
		{name: "a Job that ends in the clean-up", plan: historytest.Expect("completes", args{"within": "59s"}), want: Inconclusive,
			twist: func(s *historytest.Story) { s.Completed = 56 * second }},
		{name: "a gap that begins in the clean-up costs nothing", want: Pass, twist: adding(func(b *historytest.Builder) {
			b.Add(58*second, history.Kubernetes, history.Gap, &history.Object{Kind: "Pod"}, history.GapData{Reason: "expired", For: 2 * second})
		})},
		{name: "one that began before does", want: Inconclusive, twist: adding(func(b *historytest.Builder) {
			b.Add(58*second, history.Kubernetes, history.Gap, &history.Object{Kind: "Pod"}, history.GapData{Reason: "expired", For: 10 * second})
		})},
	})
}
