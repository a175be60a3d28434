package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// Owners says whether bundles are still needed.
type Owners interface {
	// Find looks for what owns a bundle. An error means that nobody can tell: the bundle is kept.
	Find(ctx context.Context, owner staging.Owner) (Finding, error)
}

// Finding is what was found of a bundle's owner.
type Finding struct {
	Owned bool
	// What was found, or what was looked for in vain, in words for the log.
	What string
}

const (
	defaultInitialAccess = 30 * time.Minute
	defaultEvery         = 30 * time.Second
	defaultGrace         = time.Minute

	// halfUploadAge, in transfers at their longest, is how old the remains of an upload must be to be removed: clocks of
	// servers and storage may differ by as much as a transfer takes.
	halfUploadAge = 2
	// ownerTime bounds one question about an owner.
	ownerTime = 20 * time.Second
)

// sweeper removes what is not needed any more. What it remembers between sweeps only ever delays a removal, so servers on
// the same store need not know of each other, and a restart costs nothing but time.
type sweeper struct {
	CleanUp
	storage Storage
	log     *slog.Logger
	metrics *metrics
	halfAge time.Duration
	unowned map[string]time.Time // since when a bundle was seen without an owner at every sweep
	now     func() time.Time
}

func newSweeper(config Config, m *metrics) *sweeper {
	c := config.CleanUp
	c.InitialAccess = cmp.Or(c.InitialAccess, defaultInitialAccess)
	c.Every = cmp.Or(c.Every, defaultEvery)
	c.Grace = cmp.Or(c.Grace, defaultGrace)
	return &sweeper{
		CleanUp: c, storage: config.Storage, log: config.Log, metrics: m,
		halfAge: halfUploadAge * config.TransferTime, unowned: map[string]time.Time{}, now: time.Now,
	}
}

// run sweeps until ctx ends. Nothing but that ends it: an error of one sweep is one for the next to do better.
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

// sweep looks at all bundles once.
func (s *sweeper) sweep(ctx context.Context) {
	seen := map[string]bool{}
	complete := true
	note := func(err error) {
		if ctx.Err() == nil {
			complete = false
			s.log.Error("clean-up: kept what it is about, the next sweep tries again", "error", err)
		}
	}
	for entry, err := range s.storage.Entries(ctx) {
		if err != nil {
			note(err)
			continue
		}
		seen[entry.ID] = true
		if err := s.judge(ctx, entry); err != nil {
			delete(s.unowned, entry.ID)
			note(err)
		}
	}
	halves, err := s.storage.RemoveHalfUploads(ctx, s.now().Add(-s.halfAge))
	if halves > 0 {
		s.metrics.halfUploads.Add(float64(halves))
		s.log.Info("remains of uploads removed", "count", halves)
	}
	if err != nil {
		note(err)
	}
	s.close(seen, complete)
}

// close ends a sweep.
func (s *sweeper) close(seen map[string]bool, complete bool) {
	result := "ok"
	if !complete {
		result = "incomplete"
	}
	s.metrics.sweeps.WithLabelValues(result).Inc()
	s.metrics.bundles.Set(float64(len(seen)))
	for id := range s.unowned {
		// Also one that could not be read this time: it was not seen without an owner at every sweep.
		if !seen[id] {
			delete(s.unowned, id)
		}
	}
}

// judge removes a bundle that is not needed any more. Its owner protects a bundle whether it was downloaded or not.
func (s *sweeper) judge(ctx context.Context, entry store.Entry) error {
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
	asking, cancel := context.WithTimeout(ctx, ownerTime)
	defer cancel()
	finding, err := s.Owners.Find(asking, entry.Owner)
	if err != nil {
		s.metrics.ownerErrors.Inc()
		return fmt.Errorf("whether bundle %s has an owner in namespace %s: %w", entry.ID, entry.Owner.Namespace, err)
	}
	if finding.Owned {
		delete(s.unowned, entry.ID)
		return nil
	}
	reason := reasonUnowned
	if !downloaded {
		reason = reasonNeverAccessed
	}
	return s.withoutOwner(ctx, entry, reason, finding.What)
}

// withoutOwner removes a bundle that was seen without an owner for long enough.
func (s *sweeper) withoutOwner(ctx context.Context, entry store.Entry, reason, what string) error {
	since, known := s.unowned[entry.ID]
	if !known {
		s.unowned[entry.ID] = s.now()
		s.log.Info("bundle has no owner", "id", entry.ID, "namespace", entry.Owner.Namespace, "labels", entry.Owner.Labels, "seen", what, "removedIn", s.Grace)
		return nil
	}
	if s.now().Sub(since) < s.Grace {
		return nil
	}
	return s.drop(ctx, entry, reason, what)
}

func (s *sweeper) drop(ctx context.Context, entry store.Entry, reason, what string) error {
	if err := s.storage.Remove(ctx, entry.ID); err != nil {
		return fmt.Errorf("remove bundle %s: %w", entry.ID, err)
	}
	delete(s.unowned, entry.ID)
	s.metrics.removed.WithLabelValues(reason).Inc()
	s.log.Info("bundle removed", "id", entry.ID, "namespace", entry.Owner.Namespace, "labels", entry.Owner.Labels, "reason", reason, "seen", what)
	return nil
}
