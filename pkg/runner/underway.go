package runner

import (
	"strings"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// Underway knows what a run has disturbed and made that is still to be undone and removed, for those who interrupt it. It is safe
// for concurrent use; a nil one knows nothing.
type Underway struct {
	mu     sync.Mutex
	faults []*faults.Disturbance
	made   []string
}

// disturbs notes a fault of the run before it is injected.
func (u *Underway) disturbs(fault *faults.Disturbance) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.faults = append(u.faults, fault)
}

// makes notes what the clean-up removes.
func (u *Underway) makes(what string) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.made = append(u.made, what)
}

// forget notes that nothing of the run is left.
func (u *Underway) forget() {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.faults, u.made = nil, nil
}

// Faults returns the names of the faults that are not undone yet.
func (u *Underway) Faults() []string {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var names []string
	for _, fault := range u.faults {
		if fault.State().Active() {
			names = append(names, "fault "+fault.Name())
		}
	}
	return names
}

// Made returns what is not removed yet.
func (u *Underway) Made() []string {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.made...)
}

// Undoing says what an interrupted run does now; empty if nothing is left to do.
func (u *Underway) Undoing() string {
	var words []string
	if faults := u.Faults(); len(faults) > 0 {
		words = append(words, "undoing "+strings.Join(faults, ", "))
	}
	if made := u.Made(); len(made) > 0 {
		words = append(words, "removing "+strings.Join(made, ", "))
	}
	return strings.Join(words, ", then ")
}

// Left says what is left if the run ends now; empty if nothing is.
func (u *Underway) Left() string {
	var words []string
	if faults := u.Faults(); len(faults) > 0 {
		words = append(words, strings.Join(faults, ", ")+" not undone")
	}
	if made := u.Made(); len(made) > 0 {
		words = append(words, strings.Join(made, ", ")+" not removed")
	}
	return strings.Join(words, "; ")
}
