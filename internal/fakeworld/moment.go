package fakeworld

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Moment is the state of a world at one time.
type Moment struct {
	api      *fakekube.API
	machines map[string]machine
	gone     bool
	disks    string
}

// Keep returns the present moment. The nodes' disks are copied into a directory.
func (w *World) Keep(disks string) (Moment, error) {
	m := Moment{api: w.API.Clone(fakekube.Options{}), machines: map[string]machine{}, disks: disks}
	w.mu.Lock()
	for name, machine := range w.machines {
		m.machines[name] = *machine
	}
	m.gone = w.gone
	w.mu.Unlock()
	return m, CopyTree(disks, w.disks)
}

// Begin lets a world continue from a moment. What ran then continues to run, and nobody observes it. end, which the end of the test
// calls, too, ends it.
func (m Moment) Begin(t testing.TB) (w *World, end func()) {
	t.Helper()
	w = &World{
		disks: m.disks, gone: m.gone, script: Script{Idle: true},
		machines: map[string]*machine{}, processes: map[types.UID]*process{},
	}
	w.API = m.api.Clone(w.apiOptions())
	for name, machine := range m.machines {
		w.machines[name] = &machine
	}
	for _, pod := range all[corev1.Pod](w, fakekube.Pods()) {
		if machine := w.machines[pod.Spec.NodeName]; machine != nil && machine.Power == cluster.On && pod.Status.Phase == corev1.PodRunning {
			w.processes[pod.UID] = w.start(pod)
		}
	}
	return w, w.begin(t)
}

// CopyTree copies a directory in which files may be written to, or vanish, at the same time.
func CopyTree(to, from string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}
