package check

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// faultEvent adds an event about the story's fault that its own life does not have.
func faultEvent(at time.Duration, eventType string, change func(*history.FaultData)) func(*historytest.Story) {
	return adding(func(b *historytest.Builder) {
		data := history.FaultData{Fault: historytest.FaultName, Kind: "nodePowerOff", Targets: []history.Object{{Kind: "Node", Name: "n1"}}}
		if change != nil {
			change(&data)
		}
		b.Fault(at, eventType, data)
	})
}

// planned is everything() with one more fault to inject.
func planned(name string) map[string]any {
	plan := everything()
	plan["steps"] = append(plan["steps"].([]any), args{"fault": name, "action": "inject", "do": args{"nodeCordon": args{}}})
	return plan
}

// A fault lands once or not at all, and on what its landing names.
func TestContradictoryFaults(t *testing.T) {
	t.Parallel()
	judgeRuns(t, []runCase{
		{name: "landed, and then it did not", want: Inconclusive, says: "contradicts",
			twist: faultEvent(12*second, history.FaultDidNotLand, nil)},
		{name: "undone before it landed", want: Inconclusive, says: "contradicts",
			twist: faultEvent(10100*time.Millisecond, history.FaultRecovered, nil)},
		{name: "an event that no fault has", want: Inconclusive, says: "faults have no such event",
			twist: faultEvent(12*second, "exploded", nil)},
		{name: "its recovery names another target", want: Pass, twist: faultEvent(40*second, history.FaultRecovering, func(d *history.FaultData) {
			d.Targets = []history.Object{{Kind: "Node", Name: "elsewhere"}}
		})},
		{name: "its recovery names other effects, which would not have cost the driver", want: Pass,
			twist: faultEvent(40*second, history.FaultRecovering, func(d *history.FaultData) {
				d.Effects = []history.Effect{history.MarksNode}
			})},
		{name: "another fault lands on an idle node, and its recovery names the driver's", plan: planned("second"), want: Inconclusive,
			says: "hit nothing of the application", twist: adding(func(b *historytest.Builder) {
				data := history.FaultData{Fault: "second", Kind: "nodeFreeze", Targets: []history.Object{{Kind: "Node", Name: "n9"}}}
				b.Fault(30*second, history.FaultInjecting, data)
				b.Fault(31*second, history.FaultLanded, data)
				data.Targets = []history.Object{{Kind: "Node", Name: "n2"}}
				b.Fault(33*second, history.FaultRecovered, data)
			})},
		{name: "it lands when the harness cleans up an application that never ends", plan: historytest.Expect("atMostOneDriver", args{}),
			want: Inconclusive, says: "only after the end of what was observed", twist: func(s *historytest.Story) {
				s.Began, s.Landed, s.NotReady, s.Recovered, s.Completed = 55*second, 56*second, 0, 58*second, 0
				s.Drivers = s.Drivers[:1]
				d := &s.Drivers[0]
				d.Silent, d.Terminating, d.Finished, d.Deleted = 53*second, 0, 0, 0
				for i := range d.Executors {
					d.Executors[i].Silent, d.Executors[i].Finished, d.Executors[i].Deleted = 53*second, 0, 0
				}
			}},
	})
}

// Events that say too little, or that this release does not know, are problems of the record and never passed over.
func TestEventsThatSayTooLittle(t *testing.T) {
	t.Parallel()
	record := func(change func(*history.WitnessRecord)) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			r := history.WitnessRecord{
				Seq: 5000, WallMicros: historytest.Epoch().Add(40 * second).UnixMicro(), Type: history.Ledger, Role: "driver", PodUID: "d2",
				PodName: "driver-d2", Node: "n2",
				Incarnation: "d2", Via: "http", Detail: map[string]string{"key": "wordcount", "value": "sha256:dead"},
			}
			change(&r)
			b.Add(40*second, history.Witness, r.Type, nil, r)
		})
	}
	judgeRuns(t, []runCase{
		{name: "a record without a number", want: Inconclusive, says: "records are counted from 1",
			twist: record(func(r *history.WitnessRecord) { r.Seq = -1 })},
		{name: "a record without a writer", want: Inconclusive, says: "does not say the UID of the pod",
			twist: record(func(r *history.WitnessRecord) { r.PodUID = "" })},
		{name: "a record without a time", want: Inconclusive, says: "does not say when it was written",
			twist: record(func(r *history.WitnessRecord) { r.WallMicros = 0 })},
		{name: "a source that nobody knows", want: Inconclusive, says: "events have no such source",
			twist: adding(func(b *historytest.Builder) { b.Add(20*second, "kubernets", history.Modified, nil, nil) })},
		{name: "an event of an object that nobody knows", want: Inconclusive, says: "objects have no such event",
			twist: adding(func(b *historytest.Builder) {
				b.Add(20*second, history.Kubernetes, "vanished", &history.Object{Kind: "Pod", Name: "p", UID: "p"}, args{"metadata": args{"uid": "p"}})
			})},
	})
}

// A pod may show what its driver did not tell before its end.
func TestDriversThatOutliveTheirHeartbeats(t *testing.T) {
	t.Parallel()
	// The driver d1 is drained from n1 and reports until 10 s; its pod runs on.
	drained := func(finished time.Duration) func(*historytest.Story) {
		return func(s *historytest.Story) {
			s.FaultKind, s.NotReady = "nodeDrain", 0
			d := &s.Drivers[0]
			d.Terminating, d.Finished, d.Deleted = 10500*time.Millisecond, finished, finished+second
		}
	}
	runInvariant(t, "atMostOneDriver", args{}, []invariantCase{
		{name: "its pod ends at once", twist: drained(11 * second), want: Pass, measure: "0s"},
		{name: "its pod ends late, and before the next one", twist: drained(22 * second), want: Pass, measure: "0s"},
		{name: "its pod runs beside the next one", twist: drained(36 * second), want: Inconclusive,
			says: "were alive at the same time for 0s to 11"},
		{name: "its node lost its power", twist: func(s *historytest.Story) { s.Drivers[0].Finished = 42 * second }, want: Pass, measure: "0s"},
		{name: "a pause under a fault that says nothing of its effects proves no overlap", want: Inconclusive, twist: func(s *historytest.Story) {
			s.FaultKind = "somethingOfOurOwn"
			thaws(s)
		}},
		{name: "a pause under a freeze that was not proven to have landed proves no overlap", want: Inconclusive,
			twist: func(s *historytest.Story) {
				s.FaultKind, s.NotLanded = "nodeFreeze", "nobody could look"
				thaws(s)
			}},
		{name: "a pause under a fault that does something else is life", want: Violation, twist: func(s *historytest.Story) {
			s.FaultKind = "nodeIsolate"
			thaws(s)
		}},
	})
}

// thaws has the first driver beat once more at 46 s, when the other one is gone.
func thaws(s *historytest.Story) {
	s.Extra = func(b *historytest.Builder) {
		b.Witness(46001*time.Millisecond, 46*second, history.WitnessRecord{
			Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", AppID: "spark-1", Incarnation: "d1",
		})
	}
}

// A driver that a fault may have hidden may have had any application id.
func TestApplicationIDsOfHiddenDrivers(t *testing.T) {
	t.Parallel()
	hidden := func(s *historytest.Story) {
		s.FaultKind, s.Began, s.Landed = "nodeIsolate", 1500*time.Millisecond, 1700*time.Millisecond
		s.Drivers[0].Running, s.Drivers[0].Started, s.Drivers[0].Executors = 0, 0, nil
		s.Extra = func(b *historytest.Builder) {
			b.Pod(1100*time.Millisecond, history.Modified, historytest.Pod{
				UID: "d1", Name: "driver-d1", Namespace: historytest.Namespace, Node: "n1", OwnerKind: "Job", Owner: historytest.JobUID,
				Phase: "Pending",
			})
		}
	}
	runInvariant(t, "applicationIdsUnique", args{}, []invariantCase{
		{name: "its disk was read, and shows that it never ran", twist: hidden, want: Pass},
		{name: "its disk was not read", twist: both(hidden, unreadDisk), want: Inconclusive, says: "n1"},
	})
}

// A replacement that was there before the fault is none of it.
func TestReplacementsThatWereThereBefore(t *testing.T) {
	t.Parallel()
	runInvariant(t, "driverRescheduled", args{"within": "60s"}, []invariantCase{
		{name: "created before the fault", want: Inconclusive, says: "it was there before",
			twist: func(s *historytest.Story) { s.Drivers[1].Created = 8 * second }},
		{name: "created after the fault", want: Pass},
	})
}

// An executor that failed unnoticed was not kept.
func TestExecutorsThatFailUnnoticed(t *testing.T) {
	t.Parallel()
	failed := func(at time.Duration) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			b.Pod(at, history.Modified, historytest.Pod{
				UID: "e4", Name: "driver-d2-exec-2", Namespace: historytest.Namespace, Node: "n3", OwnerKind: "Pod", Owner: "d2", Phase: "Failed",
				Labels: map[string]string{"spark-role": "executor", "spark-exec-id": "2", "spark-app-selector": "spark-2"},
			})
		})
	}
	notFinished := func(s *historytest.Story) { s.Drivers[1].Executors[1].Finished = 0 }
	runInvariant(t, "executorsKept", args{}, []invariantCase{
		{name: "while its driver lives", twist: both(notFinished, failed(35*second)), want: Inconclusive, says: "executor 2 was lost"},
		{name: "as its driver ends", twist: both(notFinished, failed(45*second)), want: Pass},
	})
}

// An executor that is known by its records alone is known only if all of them are.
func TestStaleExecutorsWithoutPods(t *testing.T) {
	t.Parallel()
	podless := func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Beats(7*second, 15*second, history.WitnessRecord{Role: "executor", PodUID: "e9", PodName: "exec-9", Node: "n3", AppID: "spark-1",
				ExecutorID: "9", Incarnation: "d1"})
		}
	}
	runInvariant(t, "staleExecutorsGone", args{"within": "30s"}, []invariantCase{
		{name: "all records are known", twist: podless, want: Pass},
		{name: "its node's disk was not read", twist: both(podless, func(s *historytest.Story) { s.Collected[2].Errors = []string{"timeout"} }),
			want: Inconclusive, says: "n3"},
	})
}

// The ledger believes nobody who only says to be the application.
func TestCommitsInTheNameOfADriver(t *testing.T) {
	t.Parallel()
	from := func(uid string) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			b.Witness(40*second, 40*second, history.WitnessRecord{
				Type: history.Ledger, Role: "executor", PodUID: uid, PodName: "pod-" + uid, Node: "n2", Incarnation: "d2",
				Detail: map[string]string{"key": "wordcount", "value": "sha256:feed"},
			})
		})
	}
	runInvariant(t, "resultEqualsBaseline", args{}, []invariantCase{
		{name: "an executor of the driver commits", twist: from("e3"), want: Pass},
		{name: "a stranger commits in the driver's name", twist: from("x1"), want: Inconclusive, says: "pod-x1"},
		{name: "an executor of another driver does", twist: from("e1"), want: Inconclusive, says: "pod-e1"},
	})
}

// A fault explains what it can do to a node, for as long as it does it.
func TestWhatAFaultExplainsOfANode(t *testing.T) {
	t.Parallel()
	lostAgain := func(at time.Duration) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			b.Node(at, history.Modified, "n1", "Unknown")
			b.Node(at+500*time.Millisecond, history.Modified, "n1", "True")
		})
	}
	early := func(s *historytest.Story) {
		s.Recovered = 18 * second
		s.Drivers[0].Finished, s.Drivers[0].Deleted = 19*second, 20*second
	}
	later := func(s *historytest.Story) { // the run continues for 100 s longer
		s.CleanUp, s.Ended = 154*second, 160*second
	}
	judgeRuns(t, []runCase{
		{name: "lost once more as it boots", want: Pass, twist: both(early, lostAgain(20*second))},
		{name: "lost once more long after it was back", want: Inconclusive, says: "node n1 was not Ready any more",
			twist: both(both(early, later), lostAgain(120*second))},
		{name: "a node that is only cordoned is lost", plan: planned("cordon"), want: Inconclusive, says: "node n3 was not Ready any more",
			twist: adding(func(b *historytest.Builder) {
				data := history.FaultData{Fault: "cordon", Kind: "nodeCordon", Targets: []history.Object{{Kind: "Node", Name: "n3"}}}
				b.Fault(30*second, history.FaultInjecting, data)
				b.Fault(31*second, history.FaultLanded, data)
				b.Node(33*second, history.Modified, "n3", "Unknown")
			})},
	})
}

// A control that ends in a violation shows something only if its fault hit the application.
func TestControlsWithoutTheirFault(t *testing.T) {
	t.Parallel()
	control := func() map[string]any {
		plan := everything()
		plan["control"] = args{"endsIn": "violation", "violated": []string{"applicationIdsUnique"}}
		return plan
	}
	sameID := func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" }
	judgeRuns(t, []runCase{
		{name: "its fault costs the driver", plan: control(), twist: sameID, want: Pass, says: "ended as expected"},
		{name: "its fault did not land", plan: control(), twist: both(sameID, notLanded), want: Violation, says: "did not land"},
		{name: "its fault hit nothing", plan: control(), want: Violation, says: "hit nothing of the application",
			twist: both(sameID, func(s *historytest.Story) {
				s.Targets, s.NotReady = []history.Object{{Kind: "Node", Name: "n9"}}, 0
			})},
	})
}

// Bare pods that somebody makes again do not fail for good.
func TestBarePodsThatAreReplaced(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		owner string
		next  string // the phase of the next pod; empty if there is none
		want  Verdict
	}{
		"nobody replaces it":             {"", "", Violation},
		"its owner may replace it still": {"operator", "", Inconclusive},
		"it was replaced":                {"operator", "Running", Inconclusive},
		"the next one succeeds":          {"operator", "Succeeded", Pass},
		"the next one fails, too":        {"", "Failed", Violation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := historytest.New()
			run, err := historytest.RunData(historytest.Expect("completes", args{"within": "50s"}))
			if err != nil {
				t.Fatal(err)
			}
			pod := historytest.Pod{UID: "d1", Name: "driver", Namespace: "ns", Node: "n1", Phase: "Running", OwnerKind: "SparkApplication",
				Owner: tt.owner}
			b.Harness(0, history.RunStarted, run)
			b.Harness(second, history.WorkloadLaunched,
				history.WorkloadData{Namespace: "ns", DriverKind: "Pod", DriverName: "driver", DriverUID: "d1"})
			b.Pod(2*second, history.Added, pod)
			pod.Phase = "Failed"
			b.Pod(10*second, history.Modified, pod)
			if tt.next != "" {
				pod.UID, pod.Phase = "d2", "Running"
				b.Pod(12*second, history.Added, pod)
				pod.Phase = tt.next
				b.Pod(30*second, history.Modified, pod)
				b.Witness(20*second, 20*second, history.WitnessRecord{
					Type: history.TaskEnded, Role: "driver", PodUID: "d2", PodName: "driver", Node: "n1", Incarnation: "d2",
					Detail: map[string]string{"reason": "Success"},
				})
			}
			b.Harness(40*second, history.RunEnded, history.RunEndData{})
			content, err := b.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if got := judgeBytes(t, content).Results[0]; got.Verdict != tt.want {
				t.Errorf("%s, want %s: %s", got.Verdict, tt.want, got.Message)
			}
		})
	}
}

// Fetches count by what they gave.
func TestFetchesThatGaveSomethingElse(t *testing.T) {
	t.Parallel()
	fetched := func(change func(*history.StagingData)) func(*historytest.Story) {
		return func(story *historytest.Story) {
			story.Extra = func(builder *historytest.Builder) {
				b := staged{builder}
				b.server("s1", "n1", 400*time.Millisecond)
				b.upload(600 * time.Millisecond)
				b.pod(1*second, "driver", "d1", "n1", history.ArtifactsFetching)
				b.pod(2*second, "driver", "d1", "n1", history.ArtifactsFetched)
				data := history.StagingData{ResourceID: "b1", SHA256: bundleHash, Server: "staging-s2"}
				change(&data)
				eventType := history.ArtifactsFetched
				if data.Error != "" {
					eventType = history.ArtifactsRefused
				}
				b.Add(46*second, history.Staging, eventType, nil, data)
			}
		}
	}
	runInvariant(t, "stagedArtifactsSurvive", args{}, []invariantCase{
		{name: "the right bytes", twist: fetched(func(*history.StagingData) {}), want: Pass},
		{name: "nobody looked at the bytes", twist: fetched(func(d *history.StagingData) { d.SHA256 = "" }), want: Inconclusive,
			says: "could not fetch the artifacts after the fault"},
		{name: "another upload is refused", twist: fetched(func(d *history.StagingData) { d.ResourceID, d.Error = "b2", "unknown" }),
			want: Inconclusive, says: "could not fetch the artifacts after the fault"},
		{name: "this upload is refused", twist: fetched(func(d *history.StagingData) { d.Error = "unknown" }), want: Violation,
			says: "could not fetch the artifacts that were uploaded"},
	})
}

// Two histories that were joined and numbered again show it by their times.
func TestTimesThatGoBack(t *testing.T) {
	t.Parallel()
	content := string(storyBytes(t, historytest.PowerOff(everything())))
	lines := strings.SplitAfter(content, "\n")
	late := strings.LastIndex(content, `"type":"leftovers"`)
	if late < 0 || len(lines) < 10 {
		t.Fatal("the story has changed")
	}
	begin := strings.LastIndex(content[:late], "\n") + 1
	line := content[begin : begin+strings.Index(content[begin:], "\n")]
	_, rest, _ := strings.Cut(line, `"offset":`)
	offset, _, _ := strings.Cut(rest, ",")
	v := judgeBytes(t, []byte(strings.Replace(content, `"offset":`+offset, `"offset":1000000`, 1)))
	if v.Verdict != Inconclusive || !strings.Contains(v.Reason, "never goes back") {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// A fault on two nodes hides what happens on both.
func TestFaultsOnSeveralNodes(t *testing.T) {
	t.Parallel()
	cut := func(s *historytest.Story) {
		s.FaultKind = "nodeIsolate"
		s.Targets = []history.Object{{Kind: "Node", Name: "n1"}, {Kind: "Node", Name: "n3"}}
		for i := range s.Drivers[0].Executors {
			s.Drivers[0].Executors[i].Deleted = 31 * second
		}
	}
	unread := func(s *historytest.Story) { s.Collected[2].Errors = []string{"timeout"} }
	runInvariant(t, "staleExecutorsGone", args{"within": "30s"}, []invariantCase{
		{name: "both disks were read", twist: cut, want: Pass},
		{name: "the other disk was not read", twist: both(cut, unread), want: Inconclusive, says: "n3"},
		{name: "the other node was not hit", twist: func(s *historytest.Story) {
			cut(s)
			unread(s)
			s.Targets = s.Targets[:1]
		}, want: Pass},
	})
}

// A refusal that does not say why may be one of a name that is taken.
func TestRefusalsWithoutAReason(t *testing.T) {
	t.Parallel()
	refused := func(code string) func(*historytest.Story) {
		return adding(func(b *historytest.Builder) {
			b.Witness(30*second, 30*second, history.WitnessRecord{
				Type: history.PodCreateRefused, Role: "driver", PodUID: "d2", PodName: "driver-d2", Node: "n2", Incarnation: "d2",
				Detail: map[string]string{"podName": "driver-d1-exec-1", "code": code},
			})
		})
	}
	runInvariant(t, "executorNamesUnique", args{}, []invariantCase{
		{name: "the name is taken", twist: refused("409"), want: Violation},
		{name: "something else was wrong", twist: refused("403"), want: Pass},
		{name: "nobody knows what was wrong", twist: refused(""), want: Inconclusive, says: "each refusal says why"},
	})
}

// The busiest of the machines that were measured counts, not their mean.
func TestStarvedNodes(t *testing.T) {
	t.Parallel()
	late := func(node string) func(*historytest.Story) {
		return func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				for at := 11 * second; at < 26*second; at += second {
					for name, runnable := range map[string]float64{"": 1, "n1": 0, "n2": 0, node: 20} {
						b.Harness(at, history.LoadMeasured, history.LoadData{For: second, CPUs: 2, Runnable: runnable, Node: name})
					}
				}
			}
		}
	}
	idle := func(s *historytest.Story) { late("")(s); s.Extra = nil }
	runInvariant(t, "driverRescheduled", args{"within": "10s"}, []invariantCase{
		{name: "a node was starved", twist: late("n2"), want: Inconclusive, says: "the machine was starved"},
		{name: "the machine of the harness was starved", twist: late(""), want: Inconclusive, says: "the machine was starved"},
		{name: "none was", twist: idle, want: Violation},
	})
}
