package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// bundleHash is the hash of what was uploaded in the stories of this file.
const bundleHash = "aaaaaaaaaaaaaaaaaaaa"

// staged is a story in which n1, which carries the staging server s1, loses its power at 10 s; see historytest.PowerOff.
type staged struct {
	*historytest.Builder
}

func (b staged) server(uid, node string, running time.Duration) {
	b.Pod(running, history.Added, historytest.Pod{
		UID: uid, Name: "staging-" + uid, Namespace: historytest.Namespace, Node: node, Phase: "Running",
		Labels: map[string]string{"sparkchaos.dev/role": "stagingServer"},
	})
}

func (b staged) upload(at time.Duration) {
	b.Add(at, history.Staging, history.ArtifactsUploaded, nil, history.StagingData{ResourceID: "b1", SHA256: bundleHash})
}

func (b staged) harness(at time.Duration, outcome, sha256 string) {
	b.Add(at, history.Staging, outcome, nil, history.StagingData{ResourceID: "b1", SHA256: sha256, Server: "staging-s2", Error: "status 404"})
}

// asks is a fetch by the harness from a pod.
func (b staged) asks(at time.Duration, server string) {
	b.Add(at, history.Staging, history.ArtifactsFetched, nil, history.StagingData{ResourceID: "b1", SHA256: bundleHash, Server: server})
}

// deleted is a server's pod that is deleted and ends later.
func (b staged) deleted(uid string, terminating, gone time.Duration) {
	pod := historytest.Pod{
		UID: uid, Name: "staging-" + uid, Namespace: historytest.Namespace, Node: "n1", Phase: "Running", Deleting: true,
		Labels: map[string]string{"sparkchaos.dev/role": "stagingServer"},
	}
	b.Pod(terminating, history.Modified, pod)
	b.Pod(gone, history.Deleted, pod)
}

// evicting makes the fault one that has pods deleted and ends no process itself.
func evicting(story *historytest.Story) { story.FaultKind = "nodeDrain" }

func (b staged) pod(at time.Duration, role, uid, node, outcome string) {
	b.Witness(at, at, history.WitnessRecord{
		Type: outcome, Role: role, PodUID: uid + history.ArtifactsWriter, PodName: "pod-" + uid, Node: node,
		Detail: map[string]string{"sha256": bundleHash, "error": "it said no"},
	})
}

func TestStagedArtifactsSurvive(t *testing.T) {
	t.Parallel()
	const s = time.Second
	told := func(tell func(staged)) func(*historytest.Story) {
		return func(story *historytest.Story) {
			story.Extra = func(b *historytest.Builder) { tell(staged{b}) }
		}
	}
	// The server is on n1, which loses its power, and has the artifacts.
	uploaded := func(tell func(staged)) func(*historytest.Story) {
		return told(func(b staged) {
			b.server("s1", "n1", 400*time.Millisecond)
			b.upload(600 * time.Millisecond)
			tell(b)
		})
	}
	runInvariant(t, "stagedArtifactsSurvive", args{}, []invariantCase{
		{
			name: "fetched after the fault by harness, driver and executor",
			twist: uploaded(func(b staged) {
				b.pod(1*s, "driver", "d1", "n1", history.ArtifactsFetching)
				b.pod(2*s, "driver", "d1", "n1", history.ArtifactsFetched)
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.pod(28*s, "executor", "e3", "n2", history.ArtifactsFetched)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Pass, says: "4 downloads",
		},
		{
			name: "fetched only from the pod that an eviction takes away, before it is gone", want: Inconclusive,
			says: "only from pod staging-s1, which the fault took away",
			twist: and(uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.deleted("s1", 11*s, 40*s)
				b.asks(12*s, "staging-s1")
			}), evicting),
		},
		{
			name: "fetched from a pod of the same name, after the first one is gone", want: Pass,
			twist: and(uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.deleted("s1", 11*s, 40*s)
				b.Pod(42*s, history.Added, historytest.Pod{
					UID: "s9", Name: "staging-s1", Namespace: historytest.Namespace, Node: "n2", Phase: "Running",
					Labels: map[string]string{"sparkchaos.dev/role": "stagingServer"},
				})
				b.asks(46*s, "staging-s1")
			}), evicting),
		},
		{
			name: "from the same pod, whose processes the fault had ended", want: Pass,
			twist: uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.asks(46*s, "staging-s1")
			}),
		},
		{
			name: "a driver failed while it fetched", want: Inconclusive, says: "came to an end",
			twist: and(uploaded(func(b staged) {
				b.pod(5*s, "driver", "d1", "n1", history.ArtifactsFetched)
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetching)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			})),
		},
		{
			name: "a driver was deleted while it fetched", want: Pass,
			twist: and(uploaded(func(b staged) {
				b.pod(5*s, "driver", "d1", "n1", history.ArtifactsFetched)
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetching)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}), func(story *historytest.Story) { story.Drivers[1].Terminating = 35 * s }),
		},
		{
			name: "a driver is refused",
			twist: uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsRefused)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Violation, says: "it said no",
		},
		{
			name: "the harness is refused",
			twist: uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.harness(46*s, history.ArtifactsRefused, "")
			}),
			want: Violation, says: "status 404",
		},
		{
			name: "other bytes come back",
			twist: uploaded(func(b staged) {
				b.harness(46*s, history.ArtifactsFetched, "bbbb")
			}),
			want: Violation, says: "other bytes",
		},
		{
			name: "a driver gives up",
			twist: uploaded(func(b staged) {
				b.pod(35*s, "driver", "d2", "n2", history.ArtifactsUnreachable)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Violation, says: "no staging server answered",
		},
		{
			name: "a driver on the hit node gives up",
			twist: uploaded(func(b staged) {
				b.pod(11*s, "driver", "d1", "n1", history.ArtifactsUnreachable)
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Pass,
		},
		{
			name: "the harness reaches no server",
			twist: uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.harness(46*s, history.ArtifactsUnreachable, "")
			}),
			want: Inconclusive, says: "the harness could not fetch",
		},
		{
			name: "nothing was uploaded", twist: told(func(staged) {}), want: Inconclusive, says: "no artifacts were uploaded"},
		{
			name: "the fault hit no server",
			twist: told(func(b staged) {
				b.server("s1", "n3", 400*time.Millisecond)
				b.upload(600 * time.Millisecond)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Inconclusive, says: "nothing to survive",
		},
		{
			name: "uploaded only after the fault",
			twist: told(func(b staged) {
				b.server("s1", "n1", 400*time.Millisecond)
				b.upload(12 * s)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Inconclusive, says: "nothing to survive",
		},
		{
			name: "no driver fetched",
			twist: uploaded(func(b staged) {
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Inconclusive, says: "a driver fetched",
		},
		{
			name: "a fetch began and its end is not known",
			twist: uploaded(func(b staged) {
				b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
				b.pod(28*s, "executor", "unseen", "n2", history.ArtifactsFetching)
				b.harness(46*s, history.ArtifactsFetched, bundleHash)
			}),
			want: Inconclusive, says: "came to an end",
		},
		{
			name: "a disk was not read",
			twist: func(story *historytest.Story) {
				story.Collected = story.Collected[:1]
				uploaded(func(b staged) {
					b.pod(24*s, "driver", "d2", "n2", history.ArtifactsFetching)
					b.pod(25*s, "driver", "d2", "n2", history.ArtifactsFetched)
					b.harness(46*s, history.ArtifactsFetched, bundleHash)
				})(story)
			},
			want: Inconclusive, says: "its disk was not read",
		},
	})
}

// TestAnInitContainerIsNoSignOfLife: a pod that fetches its artifacts has no driver yet.
func TestAnInitContainerIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	runInvariant(t, "atMostOneDriver", args{"overlap": "0s"}, []invariantCase{{
		name: "the next driver fetches while the last one lives",
		twist: func(story *historytest.Story) {
			story.Extra = func(b *historytest.Builder) {
				staged{b}.pod(5*time.Second, "driver", "d3", "n2", history.ArtifactsFetching)
			}
		},
		want: Pass,
	}})
}
