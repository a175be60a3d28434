// Package runs lists the runs that a directory holds, and serves the list and the reports to a browser. It only reads.
package runs

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// Run is a run directory that was judged.
type Run struct {
	Path       string // below the directory of runs
	Scenario   string
	Seed       uint64
	Verdict    check.Verdict
	Reason     string
	Labels     map[string]string
	Recoveries []tell.Recovery
	Problem    string // why the verdict cannot be read; the fields above are empty then
}

// Recovery returns the longest recovery of the run; 0 if it has none.
func (r Run) Recovery() time.Duration { return tell.Longest(r.Recoveries) }

// maxDepth is how far below the directory of runs a run directory may be: suites keep those of parallel processes apart.
const maxDepth = 3

// List returns the runs in a directory that were judged, the newest first. What cannot be read is none of them.
func List(files fs.FS) ([]Run, error) {
	var all []Run
	err := Walk(files, maxDepth, func(directory string, judged bool, err error) error {
		switch {
		case directory == ".":
			return err
		case err != nil || !judged:
			return nil
		default:
			all = append(all, read(files, directory))
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Run) int {
		return cmp.Or(cmp.Compare(path.Base(b.Path), path.Base(a.Path)), cmp.Compare(a.Path, b.Path))
	})
	return all, nil
}

// read returns the run in a directory.
func read(files fs.FS, name string) Run {
	run := Run{Path: name}
	content, err := readFile(files, path.Join(name, report.VerdictFile))
	if err != nil {
		run.Problem = err.Error()
		return run
	}
	verdict, err := report.DecodeVerdict(content)
	if err != nil {
		run.Problem = err.Error()
		return run
	}
	run.Scenario, run.Seed, run.Verdict, run.Reason = verdict.Scenario, verdict.Seed, verdict.Verdict, verdict.Reason
	run.Recoveries = tell.Recoveries(verdict)
	var plan struct {
		Scenario struct {
			Labels map[string]string `json:"labels"`
		} `json:"scenario"`
	}
	if content, err := readFile(files, path.Join(name, report.PlanFile)); err == nil && yaml.Unmarshal(content, &plan) == nil {
		run.Labels = plan.Scenario.Labels
	}
	return run
}

// readFile reads a regular file that is not too large.
func readFile(files fs.FS, name string) ([]byte, error) {
	file, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > report.MaxFileBytes {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is no regular file, or too large")}
	}
	return io.ReadAll(file)
}
