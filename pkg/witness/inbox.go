package witness

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Sink writes a record into the history. It is never called concurrently. A record whose Sink fails counts as not taken
// and may come again, unless the error is history.ErrRefused.
type Sink func(history.WitnessRecord) error

// ConflictSink records that two records with the same number differ. Like a Sink it is never called concurrently.
type ConflictSink func(history.ConflictData) error

// Outcome is what happened to a record that was not refused.
type Outcome int

// The outcomes.
const (
	Accepted  Outcome = iota + 1 // handed on for the first time
	Duplicate                    // known already, with the same content
	Conflict                     // it differs from the one that is known under its number
)

// ErrQuota is wrapped by errors of Take for records for which an Inbox has no room.
var ErrQuota = errors.New("the witness takes no more")

// Limits bound what an Inbox keeps in memory and passes on, from all senders together and from each.
type Limits struct {
	Pods      int   // writers, by UID
	PodBlocks int   // of one writer: its memory, 1 KiB for each 128 sequence numbers in a row
	Blocks    int   // of all writers
	PodBytes  int64 // of one writer's records by HTTP
	Bytes     int64 // of all records by HTTP
}

// DefaultLimits are far above what runs need: 2 million records and 512 MiB of one writer, 8 million records and 4 GiB of all.
func DefaultLimits() Limits {
	return Limits{Pods: 10_000, PodBlocks: 16 << 10, Blocks: 64 << 10, PodBytes: 512 << 20, Bytes: 4 << 30}
}

// maxConflicts bounds the conflicts among records that came by HTTP. One is enough to distrust them; those with the disks, of which
// there can be no more than there are records on the disks, are all told.
const maxConflicts = 100

// Inbox hands each record to its sink exactly once, however often and by whichever way it arrives: a record is known
// by its pod's UID and its sequence number. A record that differs from the one that is known under its number is a
// conflict. What the node's disk has is then handed on, too, since only the disk is beyond the reach of those who can post
// records; of two that came by HTTP the first stays.
type Inbox struct {
	sink     Sink
	conflict ConflictSink
	limits   Limits
	seed     maphash.Seed

	mu        sync.Mutex
	pods      map[string]*numbers // by pod UID
	blocks    int
	bytes     int64
	conflicts int // told, of records that came by HTTP
}

// Option sets up an Inbox.
type Option func(*Inbox)

// WithConflicts reports each conflict before the disk's version is passed to the sink. Without it both versions are
// passed to the sink: a Store needs that, because its reader has an Inbox of its own and finds the conflict there.
func WithConflicts(tell ConflictSink) Option { return func(b *Inbox) { b.conflict = tell } }

// WithLimits replaces DefaultLimits.
func WithLimits(limits Limits) Option { return func(b *Inbox) { b.limits = limits } }

// NewInbox returns an Inbox that drops duplicates and passes each new record to sink.
func NewInbox(sink Sink, options ...Option) *Inbox {
	b := &Inbox{sink: sink, limits: DefaultLimits(), seed: maphash.MakeSeed(), pods: map[string]*numbers{}}
	for _, option := range options {
		option(b)
	}
	return b
}

// Take passes r to the sink unless it was taken before, and returns what happened to it. ErrLineTooLong, ErrQuota and
// history.ErrRefused concern this record alone and are final; after an error of a sink the record may be given again.
func (b *Inbox) Take(r history.WitnessRecord) (Outcome, error) {
	encoded, err := encode(r)
	if err != nil {
		return 0, err
	}
	now := newMark(maphash.Bytes(b.seed, encoded), r.Via == ViaDisk)
	b.mu.Lock()
	defer b.mu.Unlock()
	known, pod, err := b.find(r)
	switch {
	case err != nil:
		return 0, err
	case *known == 0:
		return b.first(r, known, now, pod, int64(len(encoded)))
	case known.digest() == now.digest():
		*known |= now // the disk may confirm what came by HTTP
		return Duplicate, nil
	default:
		return b.differs(r, known, now, pod, int64(len(encoded)))
	}
}

// first handles a record whose number is new.
func (b *Inbox) first(r history.WitnessRecord, known *mark, now mark, pod *numbers, size int64) (Outcome, error) {
	if err := b.spend(r, pod, size); err != nil {
		return 0, err
	}
	err := b.sink(r)
	if err == nil || errors.Is(err, history.ErrRefused) {
		*known = now
		b.spent(r, pod, size)
	}
	if err != nil {
		return 0, err
	}
	return Accepted, nil
}

// differs handles a record whose number is known with other content.
func (b *Inbox) differs(r history.WitnessRecord, known *mark, now mark, pod *numbers, size int64) (Outcome, error) {
	handOn := now.onDisk() && !known.onDisk()
	if !known.told() {
		switch {
		case b.conflict == nil:
			handOn = true
		case !now.onDisk() && b.conflicts >= maxConflicts:
			return 0, fmt.Errorf("record %d of pod %s differs from the one that is known: %w: there were %d such conflicts", r.Seq, r.PodUID,
				ErrQuota, b.conflicts)
		default:
			if err := b.conflict(history.ConflictData{PodUID: r.PodUID, Seq: r.Seq, Node: r.Node}); err != nil {
				return 0, err
			}
			if !now.onDisk() {
				b.conflicts++
			}
			*known |= markTold
		}
	}
	if !handOn {
		return Conflict, nil
	}
	if err := b.spend(r, pod, size); err != nil {
		return 0, err
	}
	err := b.sink(r)
	if err == nil || errors.Is(err, history.ErrRefused) {
		*known = now | markTold
		b.spent(r, pod, size)
	}
	if err != nil {
		return 0, err
	}
	return Conflict, nil
}

// find returns what is known of a record's number and of its writer. It makes room for a new number.
func (b *Inbox) find(r history.WitnessRecord) (*mark, *numbers, error) {
	pod := b.pods[r.PodUID]
	if pod == nil {
		if len(b.pods) >= b.limits.Pods {
			return nil, nil, fmt.Errorf("record %d of pod %s: %w: there are records of %d pods", r.Seq, r.PodUID, ErrQuota, len(b.pods))
		}
		pod = &numbers{blocks: map[int64]*block{}}
	}
	at, within := r.Seq/blockNumbers, r.Seq%blockNumbers
	marks := pod.blocks[at]
	if marks == nil {
		if len(pod.blocks) >= b.limits.PodBlocks || b.blocks >= b.limits.Blocks {
			return nil, nil, fmt.Errorf(
				"record %d of pod %s: %w: its number is too far from the %d blocks of %d numbers that this pod has, all have %d",
				r.Seq, r.PodUID, ErrQuota, len(pod.blocks), blockNumbers, b.blocks)
		}
		marks = &block{}
		b.pods[r.PodUID] = pod
		pod.blocks[at] = marks
		b.blocks++
	}
	return &marks[within], pod, nil
}

// spend checks that there is room for a record that came by HTTP. What comes from disks is bounded where they are read.
func (b *Inbox) spend(r history.WitnessRecord, pod *numbers, size int64) error {
	switch {
	case r.Via == ViaDisk:
		return nil
	case pod.bytes+size > b.limits.PodBytes:
		return fmt.Errorf("record %d of pod %s: %w: this pod has sent %d bytes of at most %d", r.Seq, r.PodUID, ErrQuota, pod.bytes,
			b.limits.PodBytes)
	case b.bytes+size > b.limits.Bytes:
		return fmt.Errorf("record %d of pod %s: %w: all pods have sent %d bytes of at most %d", r.Seq, r.PodUID, ErrQuota, b.bytes,
			b.limits.Bytes)
	default:
		return nil
	}
}

func (b *Inbox) spent(r history.WitnessRecord, pod *numbers, size int64) {
	if r.Via != ViaDisk {
		pod.bytes += size
		b.bytes += size
	}
}

// numbers is what is known of one writer's records.
type numbers struct {
	blocks map[int64]*block // by sequence number / blockNumbers
	bytes  int64
}

// blockNumbers is how many numbers in a row a block has. Any number is found at once, and one alone costs 1 KiB.
const blockNumbers = 128

type block [blockNumbers]mark

// mark is what is known of one record: flags, and a digest of its content in the other bits. Zero stands for a record that never came.
// The digest has a random seed, so that nobody can choose two records that have the same.
type mark uint64

const (
	markCame   mark = 1 << iota
	markOnDisk      // the digest is that of the disk's version
	markTold        // another version was told as a conflict
	markFlags  = markCame | markOnDisk | markTold
)

func newMark(digest uint64, onDisk bool) mark {
	m := mark(digest)&^markFlags | markCame
	if onDisk {
		m |= markOnDisk
	}
	return m
}

func (m mark) digest() mark { return m &^ markFlags }
func (m mark) onDisk() bool { return m&markOnDisk != 0 }
func (m mark) told() bool   { return m&markTold != 0 }
