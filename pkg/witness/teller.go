package witness

import (
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// maxTold bounds how many problems one server or follower reports: each is an event of the history, and anybody may
// cause refusals.
const maxTold = 50

// teller reports problems, the first maxTold of them. It is safe for concurrent use.
type teller struct {
	report func(history.ProblemData)

	mu   sync.Mutex
	told int
	once map[string]bool // keys of what is reported only once
}

// tell reports a problem.
func (t *teller) tell(p history.ProblemData) {
	t.mu.Lock()
	t.told++
	told := t.told
	t.mu.Unlock()
	switch {
	case told < maxTold:
		t.report(p)
	case told == maxTold:
		p.What += "; further ones are only counted"
		t.report(p)
	}
}

// isNew reports whether it is called with this key for the first time. It forgets no key, and knows a bounded number of them.
func (t *teller) isNew(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.once[key] || len(t.once) >= maxTold {
		return false
	}
	if t.once == nil {
		t.once = map[string]bool{}
	}
	t.once[key] = true
	return true
}
