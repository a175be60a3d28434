package model

import "github.com/sparkchaos/sparkchaos/pkg/history"

// digests holds a short digest of each record of a process, so that two records with one number can be compared. It takes four bytes for
// each record, in blocks: the numbers have few holes.
type digests map[int64]*[digestBlock]uint32

const digestBlock = 512

// put notes the digest of a record, unless there is one of its number already, which it returns.
func (d digests) put(number int64, digest uint32) (before uint32, known bool) {
	if number <= 0 {
		return 0, false
	}
	block := d[number/digestBlock]
	if block == nil {
		block = new([digestBlock]uint32)
		d[number/digestBlock] = block
	}
	have := &block[number%digestBlock]
	if *have != 0 {
		return *have, true
	}
	*have = digest
	return 0, false
}

// digestOf returns a digest of what a record says; never 0. The way by which it came is no part of it.
func digestOf(r *history.WitnessRecord) uint32 {
	sum := digest(offsetBasis).text(r.Type).text(r.AppID).text(r.ExecutorID).number(r.WallMicros)
	for _, n := range []*int64{r.JobID, r.StageID, r.Attempt, r.TaskID, r.Partition, r.BatchID} {
		if n == nil {
			sum = sum.number(-1)
			continue
		}
		sum = sum.number(*n)
	}
	details := digest(0) // their order is none
	for key, value := range r.Detail {
		details += digest(offsetBasis).text(key).text(value)
	}
	sum = sum.number(int64(details))
	return max(1, uint32(sum)^uint32(sum>>32))
}

// digest is FNV-1a, 64 bits.
type digest uint64

const (
	offsetBasis = 14695981039346656037
	fnvPrime    = 1099511628211
)

func (d digest) text(s string) digest {
	for i := range len(s) {
		d = (d ^ digest(s[i])) * fnvPrime
	}
	return (d ^ 0xff) * fnvPrime // ends it: no text has this byte
}

func (d digest) number(n int64) digest { return (d ^ digest(n)) * fnvPrime }
