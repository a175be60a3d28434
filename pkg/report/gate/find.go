package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/pkg/report"
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
	err = filepath.WalkDir(real, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(real, at)
		if err != nil {
			return err
		}
		is, err := found.take(filepath.Join(root, below), seen)
		if err == nil && is && at != real {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		return found, fmt.Errorf("look for runs: %w", err)
	}
	return found, nil
}

// take adds a directory, and reports whether it is one of a run.
func (f *Found) take(directory string, seen map[string]bool) (bool, error) {
	verdict, info, err := report.Load(directory)
	if errors.Is(err, fs.ErrNotExist) {
		for _, file := range []string{report.HistoryFile, report.PlanFile} {
			if _, err := os.Lstat(filepath.Join(directory, file)); err == nil {
				f.Unjudged = append(f.Unjudged, directory)
				return true, nil
			}
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id := verdict.RunID + " " + verdict.HistorySHA256
	if seen[id] {
		f.Again = append(f.Again, directory)
		return true, nil
	}
	seen[id] = true
	f.Runs = append(f.Runs, report.Run{Verdict: verdict, Info: info})
	return true, nil
}
