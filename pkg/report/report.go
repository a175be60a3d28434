// Package report shows the verdict of a run: as tables on a terminal, as JUnit for CI, as Markdown and HTML for people
// and as JSON for programs. It works on a stored run directory, without a cluster.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// The files of a run directory that this package reads and writes.
const (
	VerdictFile     = "verdict.json"
	EnvironmentFile = "environment.json"
	PlanFile        = "plan.yaml"
	JUnitFile       = "junit.xml"
	MarkdownFile    = "report.md"
	HTMLFile        = "report.html"
)

// RunInfo is what a report shows of a run beside its verdict.
type RunInfo struct {
	// Directory is the run directory as the user would name it: the line that runs it again is made of it.
	Directory string
	// Environment is what the run ran on.
	Environment Environment
	// Interrupted says that the run was ended before all that was planned had been done.
	Interrupted bool
	// Took is the time from the begin of the run to its end; 0 if the history has no end.
	Took time.Duration
	// Began is when the run began, by the clock of the machine that recorded it; zero if the history does not say so.
	Began time.Time

	shared func() (reading, error) // reads the history once for several reports; nil: each of them reads it
}

// Environment is environment.json: what a run ran on. Maps are written in the order of their keys.
type Environment struct {
	ClusterKind string            `json:"clusterKind"`        // embedded, kind or existing
	ClusterName string            `json:"clusterName"`        //
	Versions    map[string]string `json:"versions,omitempty"` // of sparkchaos, Spark, Kubernetes, containerd …
	Timing      map[string]string `json:"timing,omitempty"`   // the knobs of the cluster that decide how soon a dead node is noticed
	Machine     map[string]string `json:"machine,omitempty"`  // cores, memory, kernel …
	Flags       []string          `json:"flags,omitempty"`    // of the command, by which it found its cluster
	Repetition  Repetition        `json:"repetition,omitzero"`
}

// EncodeEnvironment writes environment.json: the same environment gives the same bytes.
func EncodeEnvironment(environment Environment) ([]byte, error) {
	content, err := json.MarshalIndent(environment, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode environment: %w", err)
	}
	return append(content, '\n'), nil
}

// MaxFileBytes bounds the files of a run directory that are read as a whole: verdict.json and environment.json.
const MaxFileBytes = 64 << 20

// Load reads a run directory that was judged. environment.json may be missing, as in a run that ended early.
func Load(directory string) (check.RunVerdict, RunInfo, error) {
	info := RunInfo{Directory: directory}
	content, err := regular.ReadFile(filepath.Join(directory, VerdictFile), MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return check.RunVerdict{}, info, fmt.Errorf("%w; judge the run with: sparkchaos check %s", err, printable.ShellWord(directory))
	}
	if err != nil {
		return check.RunVerdict{}, info, err
	}
	verdict, err := DecodeVerdict(content)
	if err != nil {
		return check.RunVerdict{}, info, fmt.Errorf("%s: %w", filepath.Join(directory, VerdictFile), err)
	}
	info, err = LoadInfo(directory)
	return verdict, info, err
}

// LoadInfo reads from a run directory what reports show of the run beside its verdict.
func LoadInfo(directory string) (info RunInfo, err error) {
	info.Directory = directory
	if info.Took, info.Interrupted, err = endOf(filepath.Join(directory, HistoryFile)); err != nil {
		return info, fmt.Errorf("read how the run ended: %w", err)
	}
	if info.Began, err = beginOf(filepath.Join(directory, HistoryFile)); err != nil {
		return info, fmt.Errorf("read when the run began: %w", err)
	}
	info.Environment, err = loadEnvironment(filepath.Join(directory, EnvironmentFile))
	return info, err
}

func loadEnvironment(path string) (Environment, error) {
	content, err := regular.ReadFile(path, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Environment{}, nil
	}
	if err != nil {
		return Environment{}, err
	}
	var environment Environment
	if err := json.Unmarshal(content, &environment); err != nil {
		return Environment{}, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return environment, nil
}

// answers reports whether a flag answers a question that is to be asked again for each run.
func answers(flag string) bool {
	name, _, _ := strings.Cut(flag, "=")
	return name == "--yes" || name == "-y"
}

// rerun returns the command that runs the same plan again.
func (i RunInfo) rerun() string {
	again := "sparkchaos run --plan " + printable.ShellWord(filepath.Join(i.Directory, PlanFile))
	for _, flag := range i.Environment.Flags {
		if !answers(flag) {
			again += " " + printable.ShellWord(flag)
		}
	}
	return again
}
