package runner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// baselineTimeout is how long the workload may take without faults.
	baselineTimeout = 10 * time.Minute
	// deleteTimeout is how long a namespace may take to be deleted once its nodes are healthy.
	deleteTimeout = 2 * time.Minute
)

// baselineID is the namespace of the run without faults.
func (r *run) baselineID() string { return r.id + "-base" }

// ids are the namespaces, and the names of the directories on the nodes' disks, of all sessions of the run.
func (r *run) ids() []string { return []string{r.baselineID(), r.id} }

// baseline runs the workload once without faults, or reuses the result of an earlier run with the same workload and image.
func (r *run) baseline(ctx context.Context) error {
	if !r.Plan.Baseline {
		return nil
	}
	inputs, err := r.baselineInputs()
	if err != nil {
		return err
	}
	key := baselineKey(inputs)
	file := filepath.Join(r.Baselines, key+".json")
	known, err := readBaseline(file, key)
	switch {
	case err == nil && r.image.Digest != "":
		known.Cached = true
		r.Progress.Say("reusing the cached baseline of run %s; without the file %s it is measured again", known.RunID, file)
		return r.tell(history.BaselineResult, known)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		r.Progress.Say("%v: it is recreated", err)
	}
	r.Progress.Say("running the workload once without faults")
	made := history.BaselineData{RunID: r.id, Key: key, Inputs: inputs}
	if err := r.runBaseline(ctx, &made); err != nil {
		return err
	}
	if !slices.ContainsFunc(made.Outputs, func(o history.OutputData) bool { return o.Error != "" }) {
		if err := writeBaseline(file, made); err != nil {
			return err
		}
	}
	return r.tell(history.BaselineResult, made)
}

// baselineInputs returns what determines the result: the workload with the content of its image. How the driver is run does
// not change it, but its template may, and the seed does if components provide what depends on it.
func (r *run) baselineInputs() (json.RawMessage, error) {
	w := r.Plan.Workload
	inputs := history.BaselineInputs{Image: r.image.Reference, ImageID: r.image.Digest}
	if r.usesSeed() {
		inputs.Seed = r.Plan.Seed
	}
	var err error
	if inputs.Artifacts, err = r.fingerprint(); err != nil {
		return nil, fmt.Errorf("inputs of the baseline: %w", err)
	}
	for _, part := range []struct {
		encoded *json.RawMessage
		value   any
	}{{&inputs.Application, w.Application}, {&inputs.Executors, w.Executors}, {&inputs.Conf, w.Conf},
		{&inputs.DriverTemplate, w.Driver.Template}} {
		if part.value == (*scenario.PodTemplate)(nil) {
			continue
		}
		if *part.encoded, err = json.Marshal(part.value); err != nil {
			return nil, fmt.Errorf("inputs of the baseline: %w", err)
		}
	}
	if len(w.Output) > 0 {
		inputs.Reader = history.OutputReader
		if inputs.Output, err = json.Marshal(w.Output); err != nil {
			return nil, fmt.Errorf("inputs of the baseline: %w", err)
		}
	}
	encoded, err := json.Marshal(inputs)
	if err != nil {
		return nil, fmt.Errorf("inputs of the baseline: %w", err)
	}
	return encoded, nil
}

// baselineKey names a baseline by what determines its result; see history.BaselineData.
func baselineKey(inputs json.RawMessage) string {
	digest := sha256.Sum256(inputs)
	return hex.EncodeToString(digest[:8])
}

// readBaseline reads a cached result, which must belong to the inputs with this key.
func readBaseline(file, key string) (history.BaselineData, error) {
	var data history.BaselineData
	content, err := os.ReadFile(file)
	if err != nil {
		return data, err
	}
	if err := json.Unmarshal(content, &data); err != nil {
		return data, fmt.Errorf("the cached baseline %s is damaged: %w", file, err)
	}
	switch {
	case len(data.Results) == 0 && len(data.Outputs) == 0:
		return data, fmt.Errorf("the cached baseline %s is damaged: it has no results", file)
	case len(data.Inputs) == 0:
		return data, fmt.Errorf("the cached baseline %s is of an older release: it does not say which inputs it belongs to", file)
	case data.Key != key || baselineKey(data.Inputs) != key:
		return data, fmt.Errorf("the cached baseline %s is damaged: its key is %s and that of its inputs %s, expected %s", file, data.Key,
			baselineKey(data.Inputs), key)
	}
	return data, nil
}

func writeBaseline(file string, data history.BaselineData) error {
	encoded, err := json.Marshal(data)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(file, encoded, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the baseline: %w", err)
	}
	return nil
}

// runBaseline runs a session with a history of its own and fills in its results and how long the application took.
func (r *run) runBaseline(ctx context.Context, made *history.BaselineData) (err error) {
	log, live, err := createHistory(r.directory.Baseline())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	defer r.watch("run without faults", live)()
	session, err := r.openSession(ctx, r.baselineID(), log, live)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, session.close(), removeSession(context.WithoutCancel(ctx), r.cluster, r.client, session.id, launcher.Empty))
	}()
	if err := session.launch(ctx, r.Plan.Workload); err != nil {
		return err
	}
	ending, err := session.awaitEnding(ctx, baselineTimeout, nil)
	if err != nil {
		return err
	}
	if ending.completed {
		if made.Outputs, err = session.readOutputs(ctx); err != nil {
			return err
		}
	}
	if err := session.collect(ctx); err != nil {
		return err
	}
	if !ending.completed {
		return fmt.Errorf("without faults, the application %s (its log is in %s): there is nothing to compare a run with faults to", ending,
			session.logs.directory.Name())
	}
	live.read(func(m *model.Model) {
		made.Results = ledger(m)
		if complete := m.Job().Complete; !complete.Never() {
			made.Took = complete.At.Sub(m.Launched.At)
		}
	})
	if len(made.Results) == 0 && len(made.Outputs) == 0 {
		return errors.New("the workload completed without committing a result to the ledger, and names no output: there is nothing to compare; " +
			"write into spec.workload.output what it writes, commit a result (dev.sparkchaos.witness.Ledger) or set baseline: false")
	}
	return nil
}

// ledger returns what a workload committed: for each key the last value by the writers' clocks, since a record that arrives
// late, from a disk, may be older. Commits of others do not count.
func ledger(m *model.Model) map[string]string {
	own := map[string]bool{}
	for _, incarnation := range m.Incarnations() {
		own[incarnation.UID] = true
	}
	results := map[string]string{}
	for key, commits := range m.Ledger.Commits {
		mine := slices.DeleteFunc(slices.Clone(commits), func(c model.Commit) bool { return !own[c.Incarnation] })
		if len(mine) == 0 {
			continue
		}
		slices.SortStableFunc(mine, func(a, b model.Commit) int {
			return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.Record, b.Record))
		})
		results[key] = mine[len(mine)-1].Value
	}
	return results
}
