package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// errExpired means that the server no longer has the version at which a watch broke.
var errExpired = errors.New("the resource version has expired")

// known is the last state of a live object.
type known struct {
	version string
	object  Object
	data    json.RawMessage
}

// follower records the objects of one kind. It does not use client-go's Reflector, which lists again after most errors
// although the watch could be resumed without loss, and does not report it: the gap would not be recorded.
type follower struct {
	kind    kind
	objects dynamic.ResourceInterface
	log     *Writer
	backoff wait.Backoff
	keep    func(kind, *unstructured.Unstructured)
	report  func(error) // nil once the kind was listed, else why nothing can be seen

	known    map[string]known // by UID
	version  string           // where a watch is to continue; empty: list first
	synced   bool
	lastSeen time.Time // when the server was last known to have told all; now, as long as a watch is open
	trouble  error     // why nothing can be seen now; nil while a watch is open
	opened   time.Time // when a watch was opened of which it is not known yet that it continues where the last one broke; else zero
	cause    error     // the first trouble since lastSeen; nil if there was none
	heard    *heard    // shared by the followers of a recorder; nil: each event counts for its own kind alone
}

// heard records when the API server last sent anything on any watch. Its zero value means never.
type heard struct {
	mu   sync.Mutex
	last time.Time
}

func (h *heard) note(now time.Time) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = now
}

// silence returns the time since which no watch received anything, if that is longer than normal, and the zero time
// otherwise.
func (h *heard) silence(now time.Time) time.Time {
	if h == nil {
		return time.Time{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.IsZero() || now.Sub(h.last) < silentServer {
		return time.Time{}
	}
	return h.last
}

const (
	// outageAtLeast is how long nothing must have been seen for it to be told: a watch whose time is up is resumed at once.
	outageAtLeast = time.Second
	// confirmOpen is how long a watch must be open, without an event, to count as resumed: that its version has expired
	// comes as its first event.
	confirmOpen = 500 * time.Millisecond
	// silentServer is for how long a server that can be heard never says nothing: each node's kubelet renews its lease
	// every 10 s or more often. A connection that breaks after such a silence was dead before it was noticed.
	silentServer = 25 * time.Second
)

func (f *follower) run(ctx context.Context) error {
	f.lastSeen = f.log.clock.Now()
	delay := f.backoff.DelayFunc()
	for ctx.Err() == nil {
		err := f.once(ctx)
		if writeErr := f.log.Err(); writeErr != nil || errors.Is(err, ErrClosed) {
			return cmp.Or(writeErr, err)
		}
		if ctx.Err() != nil {
			break
		}
		switch {
		case errors.Is(err, errExpired):
			f.version = ""
		case err == nil:
			delay = f.backoff.DelayFunc()
		default:
			f.trouble = err
			f.cause = cmp.Or(f.cause, err)
			f.report(err)
		}
		pause(ctx, delay())
	}
	return f.close()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// once lists the objects if necessary and watches them until the watch breaks. It returns nil if the watch had been
// opened.
func (f *follower) once(ctx context.Context) error {
	if f.version == "" {
		if err := f.list(ctx); err != nil {
			return err
		}
	}
	return f.watch(ctx)
}

func (f *follower) list(ctx context.Context) error {
	list, err := f.objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing %s: %w", f.kind, err)
	}
	if f.synced {
		lost := GapData{Reason: "the watch broke and could not be resumed: " + errExpired.Error(), For: f.log.clock.Now().Sub(f.lastSeen)}
		if _, err := f.log.Append(Kubernetes, Gap, &Object{Kind: f.kind.name, Namespace: f.kind.namespace}, lost); err != nil {
			return err
		}
	}
	if err := f.replace(list.Items); err != nil {
		return err
	}
	f.version = list.GetResourceVersion()
	f.synced = true
	f.seen(f.log.clock.Now())
	f.untroubled()
	return nil
}

// seen notes that up to a time the server has reported everything.
func (f *follower) seen(at time.Time) {
	f.lastSeen, f.cause = at, nil
}

// replace records how the listed objects differ from the known ones.
func (f *follower) replace(items []unstructured.Unstructured) error {
	gone := maps.Clone(f.known)
	for i := range items {
		delete(gone, string(items[i].GetUID()))
		if err := f.put(&items[i]); err != nil {
			return err
		}
	}
	byName := slices.SortedFunc(maps.Values(gone), func(a, b known) int {
		return cmp.Or(cmp.Compare(a.object.Name, b.object.Name), cmp.Compare(a.object.UID, b.object.UID))
	})
	for _, last := range byName {
		if err := f.remove(last); err != nil {
			return err
		}
	}
	return nil
}

// put records an object that was added or changed. A state that is known already is not recorded.
func (f *follower) put(object *unstructured.Unstructured) error {
	uid, version := string(object.GetUID()), object.GetResourceVersion()
	last, seen := f.known[uid]
	if seen && last.version == version {
		return nil
	}
	state, err := f.state(object)
	if err != nil {
		return err
	}
	f.known[uid] = state
	eventType := Added
	if seen {
		eventType = Modified
	}
	return f.write(eventType, state)
}

func (f *follower) remove(last known) error {
	delete(f.known, last.object.UID)
	return f.write(Deleted, last)
}

// write appends an object's state. If that event is refused, the history itself reports it, and the recording continues.
func (f *follower) write(eventType string, state known) error {
	if _, err := f.log.Append(Kubernetes, eventType, &state.object, state.data); err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	return nil
}

func (f *follower) state(object *unstructured.Unstructured) (known, error) {
	object.SetManagedFields(nil)
	if f.keep != nil {
		f.keep(f.kind, object)
	}
	data, err := encode(object.Object)
	if err != nil {
		return known{}, fmt.Errorf("encoding %s %q: %w", f.kind, object.GetName(), err)
	}
	return known{
		version: object.GetResourceVersion(),
		object: Object{
			Kind: f.kind.name, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID()),
		},
		data: data,
	}, nil
}

func (f *follower) watch(ctx context.Context) error {
	stream, err := f.objects.Watch(ctx, metav1.ListOptions{ResourceVersion: f.version, AllowWatchBookmarks: true})
	if err != nil {
		return f.explain(err)
	}
	defer stream.Stop()
	f.opened = f.log.clock.Now()
	f.untroubled()
	if err = f.follow(ctx, stream); f.opened.IsZero() && ctx.Err() == nil {
		f.seen(f.lastOpen())
	}
	return err
}

// follow reads a watch until it breaks. Once it is sure that nothing was lost before the watch was opened, opened is zero.
func (f *follower) follow(ctx context.Context, stream watch.Interface) error {
	confirm := time.NewTimer(confirmOpen)
	defer confirm.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-confirm.C:
			if err := f.resume(); err != nil {
				return err
			}
		case event, open := <-stream.ResultChan():
			if !open {
				return nil
			}
			if err := f.handle(event); err != nil {
				return err
			}
		}
	}
}

// resume records that a watch was resumed where it broke, and for how long nothing was received before.
func (f *follower) resume() error {
	if f.opened.IsZero() {
		return nil
	}
	blind, cause := f.blind(), f.cause
	f.seen(f.opened)
	f.opened = time.Time{}
	if blind < outageAtLeast {
		return nil
	}
	reason := "the watch broke and was resumed"
	if cause != nil {
		reason += ": " + cause.Error()
	}
	_, err := f.log.Append(Kubernetes, Outage, &Object{Kind: f.kind.name, Namespace: f.kind.namespace}, GapData{Reason: reason, For: blind})
	return err
}

// blind returns for how long nothing was received before a watch was opened that may not have been resumed where it
// broke.
func (f *follower) blind() time.Duration {
	if f.opened.IsZero() {
		return 0
	}
	return f.opened.Sub(f.lastSeen)
}

// lastOpen returns the time up to which a watch that breaks now has reported everything. If the connection was dead for
// a while, no other watch received anything either.
func (f *follower) lastOpen() time.Time {
	now := f.log.clock.Now()
	if last := f.heard.silence(now); last.After(f.lastSeen) {
		return last
	}
	return now
}

// untroubled notes that the server answers. An opened watch does not prove that nothing was lost: its first event may
// say that the version has expired.
func (f *follower) untroubled() {
	f.trouble = nil
	f.report(nil)
}

func (f *follower) handle(event watch.Event) error {
	if event.Type == watch.Error {
		return f.explain(apierrors.FromObject(event.Object))
	}
	f.heard.note(f.log.clock.Now())
	if err := f.resume(); err != nil { // before what is told late
		return err
	}
	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("watching %s: the server sent a %T, expected an object", f.kind, event.Object)
	}
	if err := f.record(event.Type, object); err != nil {
		return err
	}
	if version := object.GetResourceVersion(); version != "" {
		f.version = version
	}
	return nil
}

func (f *follower) record(eventType watch.EventType, object *unstructured.Unstructured) error {
	switch eventType {
	case watch.Added, watch.Modified:
		return f.put(object)
	case watch.Deleted:
		state, err := f.state(object)
		if err != nil {
			return err
		}
		return f.remove(state)
	default: // a bookmark moves the version only
		return nil
	}
}

// explain distinguishes an expired version from a temporary failure.
func (f *follower) explain(err error) error {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return fmt.Errorf("watching %s: %w", f.kind, errExpired)
	}
	return fmt.Errorf("watching %s: %w", f.kind, err)
}

// close says if the record of this kind ends before the recorder does. A watch that was opened at the very end is not
// known to have been resumed.
func (f *follower) close() error {
	if f.trouble == nil && f.synced && f.blind() < outageAtLeast {
		return nil
	}
	reason := "the kind was never listed"
	if f.synced {
		reason = "the watch broke and was only just opened again"
	}
	if f.trouble != nil {
		reason = f.trouble.Error()
	}
	_, err := f.log.Append(Kubernetes, Gap, &Object{Kind: f.kind.name, Namespace: f.kind.namespace},
		GapData{Reason: GapUntilEnd + ": " + reason, For: f.log.clock.Now().Sub(f.lastSeen)})
	return err
}
