package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

const (
	// redrawEvery is how often the line of what is awaited is drawn anew on a terminal.
	redrawEvery = 200 * time.Millisecond
	// repeatEvery is how often it is repeated where lines stay.
	repeatEvery = 15 * time.Second
)

// progress shows a run to a person: one line for each thing that happens, and what is awaited, since when and for how
// long at most, in a last line that changes on a terminal and is repeated now and then elsewhere.
type progress struct {
	out      io.Writer
	began    time.Time
	terminal bool
	width    func() int // of the terminal now, in columns; 0 if it cannot be told

	mu      sync.Mutex
	waits   []*wait
	drawn   bool // a changing line stands on the terminal
	ticking bool
	stop    chan struct{}
}

var _ runner.Progress = (*progress)(nil)

// wait is one thing that is awaited.
type wait struct {
	what   string
	since  time.Time
	atMost time.Duration
	seen   func() string
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, began: time.Now()}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.terminal = true
		p.width = func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	}
	return p
}

// Say prints a line.
func (p *progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintf(p.out, "%7.1fs  %s\n", time.Since(p.began).Seconds(), printable.Lines(fmt.Sprintf(format, args...)))
	if p.terminal {
		p.draw()
	}
}

// Await shows what is awaited until done is called.
func (p *progress) Await(what string, atMost time.Duration, seen func() string) (done func()) {
	w := &wait{what: what, since: time.Now(), atMost: atMost, seen: seen}
	p.mu.Lock()
	p.waits = append(p.waits, w)
	if !p.ticking {
		p.ticking, p.stop = true, make(chan struct{})
		go p.tick(p.stop)
	}
	p.mu.Unlock()
	if !p.terminal {
		p.Say("waiting for %s%s", what, bound(" (at most ", atMost, ")"))
	}
	return func() { p.forget(w) }
}

// bound puts a bound into words; empty for none.
func bound(before string, atMost time.Duration, after string) string {
	if atMost == 0 {
		return ""
	}
	return before + atMost.Round(time.Second).String() + after
}

func (p *progress) forget(w *wait) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, each := range p.waits {
		if each == w {
			p.waits = append(p.waits[:i], p.waits[i+1:]...)
			break
		}
	}
	if len(p.waits) == 0 && p.ticking {
		close(p.stop)
		p.ticking = false
		p.erase()
	}
}

// tick repeats what is awaited until nothing is.
func (p *progress) tick(stop <-chan struct{}) {
	every := repeatEvery
	if p.terminal {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.erase()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// draw shows the newest wait; on a terminal its line is erased by the next one.
func (p *progress) draw() {
	if len(p.waits) == 0 {
		return
	}
	w := p.waits[len(p.waits)-1]
	line := fmt.Sprintf("%7.1fs  … %s, for %.0fs%s; seen: %s", time.Since(p.began).Seconds(), w.what, time.Since(w.since).Seconds(),
		bound(" of at most ", w.atMost, ""), w.seen())
	if !p.terminal {
		fmt.Fprintln(p.out, printable.Line(line))
		return
	}
	fmt.Fprint(p.out, fit(line, p.width()))
	p.drawn = true
}

// fit makes one line of a text that a terminal of so many columns does not wrap: what is wrapped cannot be erased.
func fit(text string, columns int) string {
	line := []rune(printable.Lines(strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "\t", " ")))
	if columns > 1 && len(line) > columns-1 {
		line = line[:columns-1]
	}
	return string(line)
}

func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
