package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
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
		return err
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

// baselineKey names the workload with the content of its image. How the driver is run does not change the result.
func (r *run) baselineKey() (string, error) {
	w := r.Plan.Workload
	encoded, err := json.Marshal([]any{w.Application, w.Executors, w.Conf, r.image.Reference, r.image.Digest})
	if err != nil {
		return "", fmt.Errorf("key of the baseline: %w", err)
	}
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:8]), nil
}

func readBaseline(file string) (history.BaselineData, error) {
	var data history.BaselineData
	content, err := os.ReadFile(file)
	if err != nil {
		return data, err
	}
	if err := json.Unmarshal(content, &data); err != nil {
		return data, fmt.Errorf("the cached baseline %s is damaged: %w; delete it", file, err)
	}
	return data, nil
}

func writeBaseline(file string, data history.BaselineData) error {
	encoded, err := json.Marshal(data)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(file+".new", encoded, 0o644)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("keep the baseline: %w", err)
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
		err = errors.Join(err, session.close(), r.deleteNamespace(context.WithoutCancel(ctx), session.id))
	}()
	if err := session.launch(ctx, r.Plan.Workload); err != nil {
		return nil, err
	}
	completed, err := session.completed(ctx, baselineTimeout)
	if err != nil {
		return nil, err
	}
	if err := session.collect(ctx); err != nil {
		return nil, err
	}
	if !completed {
		return nil, fmt.Errorf("the workload does not complete even without faults (within %v; its log is in %s): there is nothing to compare a run with faults to", baselineTimeout, r.directory.Logs())
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

// deleteNamespace deletes the namespace of a session with all that is in it.
func (r *run) deleteNamespace(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	return launcher.Delete(ctx, r.client, id, id)
}
