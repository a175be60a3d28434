package runs

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// Visit is called for a run directory, or with an error for a directory that cannot be read. What it returns ends the walk.
type Visit func(directory string, judged bool, err error) error

// Walk calls visit for each run directory below the root of files, and for the root if it is one. A run directory has a verdict, and
// is judged then, or a history or a plan. Links are not followed, and there are no runs inside runs, except in the root.
// At most deepest levels below the root are searched; 0 means all.
func Walk(files fs.FS, deepest int, visit Visit) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return visit(name, false, err)
		}
		if !entry.IsDir() {
			return nil
		}
		is, judged, err := isRun(files, name)
		if is || err != nil {
			if err := visit(name, judged, err); err != nil {
				return err
			}
		}
		if name != "." && (is || deepest > 0 && strings.Count(name, "/")+1 >= deepest) {
			return fs.SkipDir
		}
		return nil
	})
}

// isRun reports whether a directory is one of a run, and whether the run was judged.
func isRun(files fs.FS, name string) (is, judged bool, err error) {
	for _, file := range []string{report.VerdictFile, report.HistoryFile, report.PlanFile} {
		_, err := fs.Lstat(files, path.Join(name, file))
		if err == nil {
			return true, file == report.VerdictFile, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, false, err
		}
	}
	return false, false, nil
}
