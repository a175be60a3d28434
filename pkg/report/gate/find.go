package gate

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/runs"
)

// Found are the run directories below a directory.
type Found struct {
	Runs     []report.Run // that were judged, each once
	Again    []string     // directories of runs that are among them
	Unjudged []string     // directories with a history or a plan and without a verdict
}

// Find reads all run directories below a directory, at any depth. Links below it are not followed: "latest" is no run of its own.
func Find(root string) (Found, error) {
	var found Found
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return found, err
	}
	seen := map[string]bool{}
	err = runs.Walk(os.DirFS(real), 0, func(below string, judged bool, err error) error {
		directory := filepath.Join(root, filepath.FromSlash(below))
		switch {
		case err != nil:
			return err
		case !judged:
			found.Unjudged = append(found.Unjudged, directory)
			return nil
		default:
			return found.take(directory, seen)
		}
	})
	if err != nil {
		return found, fmt.Errorf("look for runs in %s: %w", root, err)
	}
	return found, nil
}

// take adds a run directory that was judged, unless another one holds the same run.
func (f *Found) take(directory string, seen map[string]bool) error {
	verdict, info, err := report.Load(directory)
	if err != nil {
		return err
	}
	id := verdict.RunID + " " + verdict.HistorySHA256
	if seen[id] {
		f.Again = append(f.Again, directory)
		return nil
	}
	seen[id] = true
	f.Runs = append(f.Runs, report.Run{Verdict: verdict, Info: info})
	return nil
}
