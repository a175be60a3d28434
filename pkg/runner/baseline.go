package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// baselineTimeout is how long the workload may take without faults.
	baselineTimeout = 10 * time.Minute
	// deleteTimeout is how long a namespace may take to go once its nodes are well.
	deleteTimeout = 2 * time.Minute
)

// baselineID is the namespace of the run without faults.
func (r *run) baselineID() string { return r.id + "-base" }

// ids are the namespaces, and the names of the directories on the nodes' disks, of all sessions of the run.
func (r *run) ids() []string { return []string{r.baselineID(), r.id} }

// baseline runs the workload once without faults, or takes the result of an earlier time with the same workload and image.
func (r *run) baseline(ctx context.Context) error {
	if !r.Plan.Baseline {
		return nil
	}
	key, err := r.baselineKey()
	if err != nil {
		return err
	}
	file := filepath.Join(r.Baselines, key+".json")
	known, err := readBaseline(file)
	switch {
	case err == nil && r.image.Digest != "":
		known.Cached = true
		r.Progress.Say("the baseline is known from run %s", known.RunID)
		return r.tell(history.BaselineResult, known)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		r.Progress.Say("%v: it is made anew", err)
	}
	r.Progress.Say("running the workload once without faults")
	results, err := r.runBaseline(ctx)
	if err != nil {
		return err
	}
	made := history.BaselineData{Results: results, RunID: r.id, Key: key}
	if err := writeBaseline(file, made); err != nil {
		return err
	}
	return r.tell(history.BaselineResult, made)
}

// baselineKey names the workload with the content of its image. How the driver is run does not change the result; the
// seed does if the workload reads the source's words.
func (r *run) baselineKey() (string, error) {
	w := r.Plan.Workload
	var seed uint64
	if readsSource(w) {
		seed = r.Plan.Seed
	}
	artifacts, err := r.bundle.digest()
	if err != nil {
		return "", fmt.Errorf("key of the baseline: %w", err)
	}
	encoded, err := json.Marshal([]any{w.Application, w.Executors, w.Conf, r.image.Reference, r.image.Digest, seed, artifacts})
	if err != nil {
		return "", fmt.Errorf("key of the baseline: %w", err)
	}
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:8]), nil
}

// readsSource says whether a workload is given the address of the source of words.
func readsSource(w scenario.Workload) bool {
	given := slices.AppendSeq(slices.Clone(w.Application.Args), maps.Values(w.Conf))
	return slices.ContainsFunc(given, func(s string) bool { return strings.Contains(s, "$(SPARKCHAOS_SOURCE_") })
}

func readBaseline(file string) (history.BaselineData, error) {
	var data history.BaselineData
	content, err := os.ReadFile(file)
	if err != nil {
		return data, err
	}
	if err := json.Unmarshal(content, &data); err != nil {
		return data, fmt.Errorf("the cached baseline %s is damaged: %w", file, err)
	}
	if len(data.Results) == 0 {
		return data, fmt.Errorf("the cached baseline %s is damaged: it has no results", file)
	}
	return data, nil
}

func writeBaseline(file string, data history.BaselineData) error {
	encoded, err := json.Marshal(data)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = replaceFile(file, encoded)
	}
	if err != nil {
		return fmt.Errorf("keep the baseline: %w", err)
	}
	return nil
}

// replaceFile writes a file that others may read or write at the same time.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// runBaseline is a session of its own with a history of its own, in which the results stand.
func (r *run) runBaseline(ctx context.Context) (results map[string]string, err error) {
	log, err := history.Create(r.directory.Baseline(), history.SystemClock{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	session, err := r.openSession(ctx, r.baselineID(), log)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, session.close(), removeSession(context.WithoutCancel(ctx), r.cluster, r.client, session.id, launcher.Empty))
	}()
	if err := session.launch(ctx, r.Plan.Workload); err != nil {
		return nil, err
	}
	ending, err := session.awaitEnding(ctx, baselineTimeout)
	if err != nil {
		return nil, err
	}
	if err := session.collect(ctx); err != nil {
		return nil, err
	}
	if !ending.completed {
		return nil, fmt.Errorf("without faults, the application %s (its log is in %s): there is nothing to compare a run with faults to", ending, session.logs.directory)
	}
	results, err = ledger(r.directory.Baseline())
	if err == nil && len(results) == 0 {
		err = errors.New("the workload completed without committing a result to the ledger: there is nothing to compare; commit one (dev.sparkchaos.witness.Ledger) or set baseline: false")
	}
	return results, err
}

// ledger returns what a workload committed, the last value of each key.
func ledger(path string) (map[string]string, error) {
	model, err := replay(path)
	if err != nil {
		return nil, err
	}
	results := map[string]string{}
	for key, commits := range model.Ledger.Commits {
		results[key] = commits[len(commits)-1].Value
	}
	return results, nil
}
