package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// Owners finds the objects that still need bundles.
type Owners interface {
	// Look returns what there is in a namespace now. An error means that nobody can tell: its bundles are kept.
	Look(ctx context.Context, namespace string) (Census, error)
}

// Census is what existed in a namespace at one time.
type Census interface {
	// Find looks for what owns a bundle of the namespace.
	Find(owner staging.Owner) Finding
}

// Finding is what is known of a bundle's owner.
type Finding struct {
	Owned bool
	// The object that was found, or looked for in vain, in words for the log.
	What string
}

const (
	defaultInitialAccess = 30 * time.Minute
	defaultEvery         = 30 * time.Second
	defaultGrace         = time.Minute
	defaultMaxEntries    = 2000

	// halfUploadAge, in transfers at their longest, is how old the remains of an upload must be to be removed: clocks of
	// servers and storage may differ by as much as a transfer takes.
	halfUploadAge = 2
	// lookTime bounds one look into a namespace.
	lookTime = time.Minute
	// againAge is how old the second look into a namespace may be that comes right before a removal.
	againAge = 5 * time.Second
	// mostMissed, in periods, is how long ago the last sweep may be for what it saw to count.
	mostMissed = 2
)

// sweeper removes what is not needed any more. What it remembers between sweeps only ever delays a removal, so servers on
// the same store need not know of each other, and a restart costs nothing but time.
type sweeper struct {
	CleanUp
	storage  Storage
	room     *room
	log      *slog.Logger
	metrics  *metrics
	transfer time.Duration        // the longest to this server
	unowned  map[string]time.Time // since when a bundle was seen without an owner at every sweep
	ended    time.Time            // when the last sweep did; zero for none
	cursor   string               // the last id that the last sweep came to; "" when it came to the end
	now      func() time.Time
}

func newSweeper(config Config, m *metrics, r *room) *sweeper {
	c := config.CleanUp
	c.InitialAccess = cmp.Or(c.InitialAccess, defaultInitialAccess)
	c.Every = cmp.Or(c.Every, defaultEvery)
	c.Grace = cmp.Or(c.Grace, defaultGrace)
	c.MaxEntries = cmp.Or(c.MaxEntries, defaultMaxEntries)
	return &sweeper{
		CleanUp: c, storage: config.Storage, room: r, log: config.Log, metrics: m,
		transfer: config.TransferTime, unowned: map[string]time.Time{}, now: time.Now,
	}
}

// run sweeps until ctx is done. An error of one sweep does not end it: the next one tries again.
func (s *sweeper) run(ctx context.Context) {
	if s.Off {
		s.log.Warn("the clean-up is off: bundles are kept for ever")
		return
	}
	if s.Owners == nil {
		s.log.Warn("no Kubernetes API: bundles that were downloaded once are kept for ever, because nobody can tell whether they have an owner",
			"initialAccess", s.InitialAccess)
	}
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweep(ctx)
		}
	}
}

// sweep looks once at the bundles that had no owner in the last sweep, and at MaxEntries others.
func (s *sweeper) sweep(ctx context.Context) {
	s.forget()
	complete := true
	note := func(err error) {
		if ctx.Err() == nil {
			complete = false
			s.log.Error("clean-up: kept what it is about, the next sweep tries again", "error", err)
		}
	}
	chosen, total, err := s.choose(ctx)
	if err != nil {
		note(err)
	}
	looks := newLooks(s)
	seen := map[string]bool{}
	for _, id := range chosen {
		seen[id] = true
		if err := s.visit(ctx, id, looks); err != nil {
			delete(s.unowned, id)
			note(err)
		}
	}
	for id := range s.unowned {
		// Also one that could not be read this time: it was not seen without an owner at every sweep.
		if !seen[id] {
			delete(s.unowned, id)
		}
	}
	for namespace, err := range looks.failed {
		s.metrics.ownerErrors.Inc()
		note(fmt.Errorf("whether bundles have owners in namespace %s: %w", namespace, err))
	}
	if err := s.removeHalfUploads(ctx); err != nil {
		note(err)
	}
	result := "ok"
	if !complete {
		result = "incomplete"
	}
	s.metrics.sweeps.WithLabelValues(result).Inc()
	s.metrics.bundles.Set(float64(total))
	s.ended = s.now()
}

// forget drops what the last sweep saw when it is too long ago: this process may have stood still, and whatever was there in
// the meantime was not seen.
func (s *sweeper) forget() {
	if s.ended.IsZero() || len(s.unowned) == 0 {
		return
	}
	now := s.now()
	// While a machine is suspended the monotonic clock stands still, so the other one is asked, too.
	if gap := max(now.Sub(s.ended), now.Round(0).Sub(s.ended.Round(0))); gap > mostMissed*s.Every {
		s.log.Warn("the last sweep is long ago: what it saw without an owner is looked at again", "ago", gap, "bundles", len(s.unowned))
		clear(s.unowned)
	}
}

// choose returns the ids that this sweep looks at, and how many bundles there are. After an error it returns what it had.
func (s *sweeper) choose(ctx context.Context) (chosen []string, total int, err error) {
	after, further := s.cursor, 0
	s.cursor = ""
	for id, err := range s.storage.IDs(ctx) {
		if err != nil {
			return chosen, total, err
		}
		total++
		_, waiting := s.unowned[id]
		switch {
		case waiting:
			chosen = append(chosen, id)
		case id > after && further < s.MaxEntries:
			chosen = append(chosen, id)
			if further++; further == s.MaxEntries {
				s.cursor = id
			}
		}
	}
	return chosen, total, nil
}

// visit removes a bundle that is no longer needed.
func (s *sweeper) visit(ctx context.Context, id string, looks *looks) error {
	entry, err := s.storage.Entry(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // removed since it was listed, by this server or by another
	}
	if err != nil {
		return err
	}
	return s.judge(ctx, entry, looks)
}

func (s *sweeper) removeHalfUploads(ctx context.Context) error {
	longest, err := s.storage.LongestTransfer(ctx)
	if err != nil {
		return err
	}
	halves, err := s.storage.RemoveHalfUploads(ctx, s.now().Add(-halfUploadAge*max(longest, s.transfer)))
	if halves > 0 {
		s.metrics.halfUploads.Add(float64(halves))
		s.log.Info("remains of uploads removed", "count", halves)
	}
	return err
}

// looks are those of one sweep into namespaces: one each, and one more before something is removed there.
type looks struct {
	sweeper *sweeper
	first   map[string]Census
	again   map[string]lookedAgain
	failed  map[string]error
}

type lookedAgain struct {
	census Census
	at     time.Time
}

func newLooks(s *sweeper) *looks {
	return &looks{s, map[string]Census{}, map[string]lookedAgain{}, map[string]error{}}
}

// into returns what the sweep saw in a namespace, or nil if it could not see it.
func (l *looks) into(ctx context.Context, namespace string) Census {
	census, known := l.first[namespace]
	if !known {
		census = l.look(ctx, namespace)
		l.first[namespace] = census
	}
	return census
}

// intoAgain looks a second time, unless that was just done.
func (l *looks) intoAgain(ctx context.Context, namespace string) Census {
	last, known := l.again[namespace]
	if !known || l.sweeper.now().Sub(last.at) > againAge {
		last = lookedAgain{l.look(ctx, namespace), l.sweeper.now()}
		l.again[namespace] = last
	}
	return last.census
}

func (l *looks) look(ctx context.Context, namespace string) Census {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	census, err := l.sweeper.Owners.Look(ctx, namespace)
	if err != nil {
		l.failed[namespace] = err
		return nil
	}
	return census
}

// judge removes a bundle that is no longer needed. An owner protects its bundle whether it was downloaded or not.
func (s *sweeper) judge(ctx context.Context, entry store.Entry, looks *looks) error {
	downloaded, err := s.storage.Downloaded(ctx, entry.ID)
	if err != nil {
		return err
	}
	age := s.now().Sub(entry.Created)
	if !downloaded && age < s.InitialAccess {
		return nil
	}
	if s.Owners == nil {
		if downloaded {
			return nil
		}
		return s.drop(ctx, entry, reasonNeverAccessed, fmt.Sprintf("%s old", age.Round(time.Second)))
	}
	unowned, what := s.lacksOwner(entry, looks.into(ctx, entry.Owner.Namespace))
	if !unowned {
		return nil
	}
	since, known := s.unowned[entry.ID]
	if !known {
		s.unowned[entry.ID] = s.now()
		s.log.Info("bundle has no owner", "id", entry.ID, "namespace", entry.Owner.Namespace, "labels", entry.Owner.Labels, "seen", what,
			"removedIn", s.Grace)
		return nil
	}
	if s.now().Sub(since) < s.Grace {
		return nil
	}
	// Since the sweep looked, an owner may have come.
	if unowned, what = s.lacksOwner(entry, looks.intoAgain(ctx, entry.Owner.Namespace)); !unowned {
		return nil
	}
	reason := reasonUnowned
	if !downloaded {
		reason = reasonNeverAccessed
	}
	return s.drop(ctx, entry, reason, what)
}

// lacksOwner reports whether a census shows that a bundle has no owner. If it does not, the bundle has not been seen without
// one at every sweep.
func (s *sweeper) lacksOwner(entry store.Entry, census Census) (lacks bool, what string) {
	if census != nil {
		if finding := census.Find(entry.Owner); !finding.Owned {
			return true, finding.What
		}
	}
	delete(s.unowned, entry.ID)
	return false, ""
}

func (s *sweeper) drop(ctx context.Context, entry store.Entry, reason, what string) error {
	if err := s.storage.Remove(ctx, entry.ID); err != nil {
		return fmt.Errorf("remove bundle %s: %w", entry.ID, err)
	}
	delete(s.unowned, entry.ID)
	s.room.removed(entry.Size)
	s.metrics.removed.WithLabelValues(reason).Inc()
	s.log.Info("bundle removed", "id", entry.ID, "namespace", entry.Owner.Namespace, "labels", entry.Owner.Labels, "reason", reason, "seen",
		what)
	return nil
}
