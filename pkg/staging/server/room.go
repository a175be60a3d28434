package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// roomAge is how old the knowledge may be of what all bundles take: other servers add and remove some, too.
	roomAge = 30 * time.Second
	// roomStep is after how many bytes the free space is looked at again.
	roomStep = 4 << 20
)

// errNoRoom is the problem of a bundle for which the storage has no room left.
var errNoRoom = errors.New("the storage has no room left for the bundle")

// room limits the space that bundles take.
type room struct {
	storage      Storage
	max, reserve int64 // 0 for no bound
	now          func() time.Time

	looking sync.Mutex // held while the storage is asked

	mu      sync.Mutex
	known   time.Time // when the storage was last asked what all bundles take; zero for never
	asking  bool
	used    int64 // what it said, with what was stored and removed by this server since
	since   int64 // stored by this server while the storage was being asked
	pending int64 // received of uploads under way
	unseen  int64 // received since the free space was last looked at
}

func newRoom(config Config) *room {
	return &room{storage: config.Storage, max: config.MaxStoreBytes, reserve: config.FreeSpaceReserve, now: time.Now}
}

// admit returns errNoRoom if an upload of so many bytes (0: unknown) cannot be stored.
func (r *room) admit(ctx context.Context, bytes int64) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.within(bytes), r.free(bytes))
}

// look asks how much space all bundles take, unless that is known.
func (r *room) look(ctx context.Context) error {
	if r.max == 0 {
		return nil
	}
	r.looking.Lock()
	defer r.looking.Unlock()
	r.mu.Lock()
	fresh := !r.known.IsZero() && r.now().Sub(r.known) < roomAge
	r.asking, r.since = !fresh, 0
	r.mu.Unlock()
	if fresh {
		return nil
	}
	used, err := r.storage.Usage(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking = false
	if err != nil {
		return err
	}
	// Nobody knows whether the list saw what was stored meanwhile; counted twice, it is right again at the next look.
	r.used, r.known = used+r.since, r.now()
	return nil
}

// within checks the bound on all bundles. The caller holds the lock.
func (r *room) within(more int64) error {
	if r.max > 0 && r.used+r.pending+more > r.max {
		return fmt.Errorf("%w: bundles take %d bytes, the most is %d", errNoRoom, r.used+r.pending, r.max)
	}
	return nil
}

// free checks the bound on what must stay free. The caller holds the lock.
func (r *room) free(more int64) error {
	if r.reserve == 0 {
		return nil
	}
	r.unseen = 0
	free, bounded, err := r.storage.Free()
	if err != nil {
		return err
	}
	if bounded && free-more < r.reserve {
		return fmt.Errorf("%w: %d bytes are free, and %d must stay so", errNoRoom, free, r.reserve)
	}
	return nil
}

// share is the space that one upload takes.
type share struct {
	*room
	bytes int64
}

// take counts bytes that were received. It returns errNoRoom if they are too many.
func (s *share) take(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(n)
	s.pending += int64(n)
	s.unseen += int64(n)
	if err := s.within(0); err != nil || s.unseen < roomStep {
		return err
	}
	return s.free(0)
}

// end ends the upload. Bytes that were stored still count.
func (s *share) end(stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending -= s.bytes
	if stored {
		s.used += s.bytes
		if s.asking {
			s.since += s.bytes
		}
	}
}

// received returns how many bytes of uploads under way were received so far.
func (r *room) received() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending
}

// removed makes room for what this server removed. While the storage is asked it does nothing: the list may have missed the
// bundle already.
func (r *room) removed(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asking {
		r.used = max(0, r.used-bytes)
	}
}

// noRoom reports whether an error means that the storage is full.
func noRoom(err error) bool {
	return errors.Is(err, errNoRoom) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// roomProblem is the problem of an upload for which there is no room.
func roomProblem(err error) *problem {
	return &problem{status: http.StatusInsufficientStorage,
		reason: errNoRoom.Error() + "; nothing was stored. Remove bundles, or come again when some have expired", err: err}
}
