package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/screen"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/live"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

const (
	// redrawEvery is how often what changes is drawn again on a terminal.
	redrawEvery = 200 * time.Millisecond
	// repeatEvery is how often what is awaited is repeated where lines stay.
	repeatEvery = 15 * time.Second
)

// progress shows a run to a person: one line for each thing that happens and, below them on a terminal, the run as it is now. Elsewhere
// what is awaited is a line that is repeated now and then.
type progress struct {
	out    io.Writer
	began  time.Time
	screen *screen.Screen // nil where lines stay

	mu      sync.Mutex
	waits   []*wait
	watched []*watched // histories that are being written, the newest last
	hidden  int        // by how many that nothing is to be drawn
	stop    chan struct{}
}

var _ runner.Watcher = (*progress)(nil)

// wait is one thing that is awaited.
type wait struct {
	what   string
	since  time.Time
	atMost time.Duration
	seen   func() string
}

// watched is a history that is being written.
type watched struct {
	what string
	read func(use func(*model.Model))
}

// addPlain adds the flag that asks for lines that stay.
func addPlain(flags *pflag.FlagSet, plain *bool) {
	flags.BoolVar(plain, "plain", false, "print lines that stay instead of a view that changes, as where there is no terminal")
}

// newProgress returns what shows a run on a writer.
func newProgress(out io.Writer, getenv func(string) string, plain bool) *progress {
	p := &progress{out: out, began: time.Now()}
	if file, ok := out.(*os.File); ok && !plain && changes(getenv) {
		p.screen = screen.Of(file)
	}
	return p
}

// changes reports whether an environment lets a terminal's lines change: not in CI, whose logs keep every line, on a terminal without
// control sequences, or where nobody wants any.
func changes(getenv func(string) string) bool {
	ci := getenv("CI")
	return (ci == "" || ci == "false") && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
}

// Say prints a line.
func (p *progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("%7.1fs  %s", time.Since(p.began).Seconds(), printable.Lines(fmt.Sprintf(format, args...)))
	if p.screen == nil {
		fmt.Fprintln(p.out, text)
		return
	}
	p.screen.Show(strings.Split(text, "\n"), p.lines())
}

// Await shows what is awaited until done is called.
func (p *progress) Await(what string, atMost time.Duration, seen func() string) (done func()) {
	w := &wait{what: what, since: time.Now(), atMost: atMost, seen: seen}
	if p.screen == nil {
		p.Say("waiting for %s%s", what, bound(" (at most ", atMost, ")"))
	}
	return begin(p, &p.waits, w)
}

// Watch shows the model of a history that is being written until done is called.
func (p *progress) Watch(what string, read func(use func(*model.Model))) (done func()) {
	return begin(p, &p.watched, &watched{what, read})
}

// begin adds something that is shown until done is called.
func begin[T any](p *progress, all *[]*T, one *T) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*all = append(*all, one)
	p.tick()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, each := range *all {
			if each == one {
				*all = append((*all)[:i:i], (*all)[i+1:]...)
				p.tick()
				return
			}
		}
	}
}

// bound puts a bound into words; empty for none.
func bound(before string, atMost time.Duration, after string) string {
	if atMost == 0 {
		return ""
	}
	return before + atMost.Round(time.Second).String() + after
}

// Hide draws nothing below the lines that stay until show is called: somebody is asked something there.
func (p *progress) Hide() (show func()) {
	if p.screen == nil {
		return func() {}
	}
	hide := func(by int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hidden += by
		p.draw()
	}
	hide(1)
	return sync.OnceFunc(func() { hide(-1) })
}

// tick begins to draw now and then once there is something to show, and ends it when there is nothing more.
func (p *progress) tick() {
	some := len(p.waits)+len(p.watched) > 0
	switch {
	case some && p.stop == nil:
		p.stop = make(chan struct{})
		go p.drawUntil(p.stop)
	case !some && p.stop != nil:
		close(p.stop)
		p.stop = nil
		p.draw()
	}
}

// drawUntil draws now and then until nothing is shown any more.
func (p *progress) drawUntil(stop <-chan struct{}) {
	every := repeatEvery
	if p.screen != nil {
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
			p.draw()
			p.mu.Unlock()
		}
	}
}

// draw shows what changes; where lines stay, the newest wait.
func (p *progress) draw() {
	if p.screen != nil {
		p.screen.Show(nil, p.lines())
		return
	}
	if len(p.waits) == 0 {
		return
	}
	w := p.waits[len(p.waits)-1]
	line := fmt.Sprintf("%7.1fs  … %s, for %.0fs%s; seen: %s", time.Since(p.began).Seconds(), w.what, time.Since(w.since).Seconds(),
		bound(" of at most ", w.atMost, ""), w.seen())
	fmt.Fprintln(p.out, printable.Line(line))
}

// lines returns what changes on a terminal.
func (p *progress) lines() (lines []string) {
	if p.hidden > 0 {
		return nil
	}
	var view live.View
	for _, w := range p.waits {
		view.Waits = append(view.Waits, live.Wait{What: w.what, Since: w.since, AtMost: w.atMost, Seen: w.seen()})
	}
	if len(p.watched) == 0 {
		return live.Lines(view, time.Now())
	}
	newest := p.watched[len(p.watched)-1]
	newest.read(func(m *model.Model) { // a question above about what was seen reads it, too
		view.What, view.Model = newest.what, m
		lines = live.Lines(view, time.Now())
	})
	return lines
}
