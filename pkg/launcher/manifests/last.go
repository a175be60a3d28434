package manifests

import "sync"

// last is what was seen last, for those who show it meanwhile.
type last struct {
	mu   sync.Mutex
	text string
}

func newLast() *last { return &last{text: "nothing was seen yet"} }

func (l *last) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// String returns it.
func (l *last) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
