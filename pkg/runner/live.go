package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// live is the model of a history that is being written. The writer feeds it, so what was appended is known at once, and nothing is read
// back from the disk.
type live struct {
	log *history.Writer

	mu      sync.Mutex // held while the model is used; its holder must not append to the history
	model   *model.Model
	waiting map[*watched]struct{}
}

// createHistory makes a new history with its model, and has others see each event, too, before whoever waits for it goes on.
func createHistory(path string, others ...func(*history.Event)) (*history.Writer, *live, error) {
	l := newLive()
	log, err := history.Create(path, history.SystemClock{}, history.Observed(func(e *history.Event) {
		for _, observe := range others {
			observe(e)
		}
		l.observe(e)
	}))
	if err != nil {
		return nil, nil, err
	}
	l.log = log
	return log, l, nil
}

func newLive() *live {
	return &live{model: model.New(model.KeepProgress()), waiting: map[*watched]struct{}{}}
}

// observe takes the next event and lets all that wait look at the model.
func (l *live) observe(e *history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.model.Observe(e)
	for w := range l.waiting {
		l.show(w)
	}
}

// read calls use with the model, which must not be kept.
func (l *live) read(use func(*model.Model)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	use(l.model)
}

// look reports whether a model has what is waited for; an error ends the wait, too. It is called with the model as it is and again after
// each event, and must neither wait nor append to the history.
type look func(*model.Model) (enough bool, err error)

// watched is somebody who waits for something to be in the model. It has come true once a look said so, whatever happens later.
type watched struct {
	live *live
	look look
	err  error
	over chan struct{} // closed when the look said so
}

// watch begins to look. The wait must be ended.
func (l *live) watch(look look) *watched {
	w := &watched{live: l, look: look, over: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[w] = struct{}{}
	l.show(w)
	return w
}

// show lets a wait look at the model.
func (l *live) show(w *watched) {
	enough, err := w.look(l.model)
	if enough || err != nil {
		w.err = err
		close(w.over)
		delete(l.waiting, w)
	}
}

// end ends a wait: it looks no more.
func (w *watched) end() {
	w.live.mu.Lock()
	defer w.live.mu.Unlock()
	delete(w.live.waiting, w)
}

// await returns when the wait is over. When the context ends by its own deadline, late says what that means; the cause of a cancelled
// context is returned as such, and so is that of a history that ends.
func (w *watched) await(ctx context.Context, late func() error) error {
	select {
	case <-w.over:
		return w.err
	default:
	}
	select {
	case <-w.over:
		return w.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return late()
		}
		return context.Cause(ctx)
	case <-w.live.log.Ended():
		return w.lastLook()
	}
}

// lastLook returns how a wait ended whose history has ended.
func (w *watched) lastLook() error {
	select {
	case <-w.over: // by the last event
		return w.err
	default:
	}
	if err := w.live.log.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the history was closed: %w", io.EOF)
}

// await waits until a look at the model says that it is enough.
func (l *live) await(ctx context.Context, look look, late func() error) error {
	w := l.watch(look)
	err := w.await(ctx, late)
	w.end()
	return err
}
