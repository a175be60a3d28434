package scenario

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelectorProblems(t *testing.T) {
	t.Parallel()
	index := func(n int) *int { return &n }
	tests := []struct {
		name     string
		selector NodeSelector
		problems int
	}{
		{"driver", NodeSelector{Of: OfDriver}, 0},
		{"executor", NodeSelector{Of: OfExecutor, Index: index(0)}, 0},
		{"executor of the seed's choice", NodeSelector{Of: OfExecutor}, 0},
		{"executor off the driver's node", NodeSelector{Of: OfExecutor, Without: OfDriver}, 0},
		{"name", NodeSelector{Name: "worker-1"}, 0},
		{"nothing", NodeSelector{}, 1},
		{"both", NodeSelector{Of: OfDriver, Name: "worker-1"}, 1},
		{"unknown role", NodeSelector{Of: "shuffle"}, 1},
		{"index of a driver", NodeSelector{Of: OfDriver, Index: index(1)}, 1},
		{"negative index", NodeSelector{Of: OfExecutor, Index: index(-1)}, 1},
		{"driver without itself", NodeSelector{Of: OfDriver, Without: OfDriver}, 1},
		{"staging server", NodeSelector{Of: OfStagingServer}, 0},
		{"index of a shuffle service", NodeSelector{Of: OfShuffleService, Index: index(1)}, 1},
		{"object of a manifest", NodeSelector{Of: "manifest/minio"}, 0},
		{"index of a manifest", NodeSelector{Of: "manifest/minio", Index: index(1)}, 1},
		{"all wrong at once", NodeSelector{Of: "x", Name: "y", Index: index(-1), Without: "z"}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.selector.Problems("node"); len(got) != test.problems {
				t.Errorf("got %q, want %d problems", got, test.problems)
			}
		})
	}
}

func TestChooseDecidesOnlyWhatIsOpen(t *testing.T) {
	t.Parallel()
	last := func(n int) int { return n - 1 }
	two := 2
	tests := []struct {
		name     string
		selector NodeSelector
		want     string
	}{
		{"open", NodeSelector{Of: OfExecutor}, "the node of executor number 3 (counted from 0)"},
		{"decided", NodeSelector{Of: OfExecutor, Index: &two}, "the node of executor number 2 (counted from 0)"},
		{"off the driver's node", NodeSelector{Of: OfExecutor, Without: OfDriver},
			"the node of executor number 0 (counted from 0), those on the driver's node not counted"},
		{"driver", NodeSelector{Of: OfDriver}, "the node of the driver"},
		{"manifest", NodeSelector{Of: "manifest/minio"}, "the node of manifest/minio"},
		{"name", NodeSelector{Name: "worker-1"}, "node worker-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.selector.Choose(4, last)
			if diff := cmp.Diff(test.want, test.selector.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	open := PodSelector{Of: OfExecutor}
	open.Choose(0, last)
	if got := open.String(); got != "the pod of an executor of the seed's choice" {
		t.Errorf("chosen among no executors: %s", got)
	}
}

func TestPodSelectorBeside(t *testing.T) {
	t.Parallel()
	first := func(int) int { return 0 }
	tests := []struct {
		name     string
		selector PodSelector
		problems int
		want     string
	}{
		{"beside an executor", PodSelector{Of: OfShuffleService, Beside: OfExecutor}, 0,
			"the pod of the shuffle service on the node of executor number 0 (counted from 0)"},
		{"beside the driver", PodSelector{Of: OfStagingServer, Beside: OfDriver}, 0, "the pod of the staging server on the node of the driver"},
		{"an executor beside the driver", PodSelector{Of: OfExecutor, Beside: OfDriver}, 1,
			"the pod of an executor of the seed's choice on the node of the driver"},
		{"beside nothing known", PodSelector{Of: OfShuffleService, Beside: "x"}, 1, "the pod of the shuffle service on the node of the x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.selector.Problems("pod"); len(got) != test.problems {
				t.Errorf("got %q, want %d problems", got, test.problems)
			}
			test.selector.Choose(4, first)
			if diff := cmp.Diff(test.want, test.selector.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
