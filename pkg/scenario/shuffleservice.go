package scenario

import "github.com/sparkchaos/sparkchaos/pkg/history"

// OfShuffleService is the role of the shuffle service's pods.
const OfShuffleService = history.RoleShuffleService

// Where a shuffle service notes whose files it serves.
const (
	LocalDirectoryNode      = "node"
	LocalDirectoryContainer = "container"
)

// ShuffleService is Spark's external shuffle service, one on each node: it serves an executor's map output when the executor is gone.
type ShuffleService struct {
	// false (default): map output goes with its executor
	Enabled bool `json:"enabled,omitempty"`
	// where the service notes whose files it serves: node (default), on the node's disk; container: lost when the service's
	// pod is, known to be bad
	LocalDirectory string `json:"localDirectory,omitempty" enum:"node|container"`
}

func shuffleService() component {
	return component{
		role: OfShuffleService, words: "the shuffle service",
		present: func(w Workload) bool { return w.ShuffleService.Enabled },
		fill: func(w *Workload) {
			if w.ShuffleService.Enabled {
				fill(&w.ShuffleService.LocalDirectory, LocalDirectoryNode)
			}
		},
		check: func(w Workload, report report) {
			if w.ShuffleService.LocalDirectory != "" && !w.ShuffleService.Enabled {
				report("spec.workload.shuffleService.localDirectory", "there is no shuffle service; write enabled: true or leave this out")
			}
		},
	}
}
