//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

// cgroupOf is the cgroup of a cluster. It follows from where the cluster's files are, so that the rest of a cluster is
// found even when its state file is lost, and clusters of two users with one name do not meet.
func cgroupOf(d directory) string {
	digest := sha256.Sum256([]byte(d.root))
	return filepath.Join(cgroupOfAll, filepath.Base(d.root)+"-"+hex.EncodeToString(digest[:3]))
}

// Down removes a cluster with all that belongs to it: processes, and with them namespaces, mounts and links; cgroups;
// files. It needs no state file, works on half-made clusters, and is content when there is nothing to remove.
func (p Provider) Down(ctx context.Context, name string) (existed bool, err error) {
	if err := cluster.CheckName(name); err != nil {
		return false, err
	}
	// Nothing is locked, and thereby written, where there is nothing.
	if !clusterDirectory(p.State, name).exists() {
		cgroups, err := cgroup.Of("/proc/self/mountinfo")
		if err != nil || !cgroups.Exists(cgroupOf(clusterDirectory(p.State, name))) {
			return false, err
		}
	}
	unlock, err := p.change(ctx, name)
	if err != nil {
		return false, err
	}
	defer unlock()
	existed = clusterDirectory(p.State, name).exists()
	return existed, p.remove(ctx, name)
}

// remove is Down for callers that hold the cluster's lock.
func (p Provider) remove(ctx context.Context, name string) error {
	d := clusterDirectory(p.State, name)
	cgroups, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if err := checkUnrecorded(d); err != nil {
		return fmt.Errorf("remove what is left of cluster %s: %w", name, err)
	}
	group := cgroupOf(d)
	err = cgroups.Kill(ctx, group)
	for _, m := range d.machineRecords() {
		err = errors.Join(err, m.Process.Kill()) // one that its cgroups have lost
	}
	if err != nil {
		return fmt.Errorf("end the machines of cluster %s: %w", name, err)
	}
	err = errors.Join(cgroups.Remove(ctx, group), statefile.RemoveDirectory(filepath.Dir(d.root), name, recordFile))
	cgroups.RemoveEmpty(cgroupOfAll)
	_ = os.Remove(filepath.Dir(d.root)) // not empty: other clusters are in it
	if err != nil {
		return fmt.Errorf("remove what is left of cluster %s: %w", name, err)
	}
	return nil
}

// checkUnrecorded reports why a directory without a record is not removed: it holds what no start makes. The record is the first that a
// start writes and the last that a removal takes away.
func checkUnrecorded(d directory) error {
	if _, err := os.Lstat(d.record()); !absent(err) {
		return nil // damaged or not: what belongs to the cluster is found by its control group
	}
	_, err := statefile.OnlyHolds(d.root, recordFile, madeNames()...)
	if absent(err) {
		return nil
	}
	return err
}

// machineNames returns the names of the workers that were recorded, sorted.
func (d directory) machineNames() []string {
	entries, err := os.ReadDir(d.machines())
	if err != nil {
		return nil // none was recorded yet
	}
	var names []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if ok && name != controlPlane && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // worker-2 before worker-10
		}
		return strings.Compare(a, b)
	})
	return names
}

// machineRecords returns what can be read of the machines, damaged records left out.
func (d directory) machineRecords() []machineRecord {
	var records []machineRecord
	for _, name := range append(d.machineNames(), controlPlane) {
		if m, err := d.loadMachine(name); err == nil {
			records = append(records, m)
		}
	}
	return records
}
