// Package source serves the words that streaming workloads read: an endless, replayable sequence in which the word at
// an offset depends on the seed and the offset alone, so that a reader which comes back after a failure reads exactly
// what it read before. The protocol is workloads/SOURCE_PROTOCOL.md.
package source

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
)

// Limits of a source's options.
const (
	DefaultVocabulary = 100
	MaxVocabulary     = 10_000
	MaxWordsPerSecond = 1_000_000
)

// Options define a source.
type Options struct {
	Seed           uint64
	Vocabulary     int         // how many different words, 1 … MaxVocabulary; 0 means DefaultVocabulary
	WordsPerSecond int         // how fast the end grows, 1 … MaxWordsPerSecond
	Clock          clock.Clock // nil means the machine's
	Began          time.Time   // when the stream was empty; zero means now
}

// Source is a sequence of words that grows with time, from length 0 at the moment when the source was made.
type Source struct {
	seed       uint64
	vocabulary uint64
	rate       int64 // words a second
	clock      clock.Clock
	start      time.Time
}

// New starts a source. The error names each option that is out of range.
func New(o Options) (*Source, error) {
	if o.Vocabulary == 0 {
		o.Vocabulary = DefaultVocabulary
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	var problems []error
	if o.Vocabulary < 1 || o.Vocabulary > MaxVocabulary {
		problems = append(problems, fmt.Errorf("word source: vocabulary is %d, want 1 to %d", o.Vocabulary, MaxVocabulary))
	}
	if o.WordsPerSecond < 1 || o.WordsPerSecond > MaxWordsPerSecond {
		problems = append(problems, fmt.Errorf("word source: words per second are %d, want 1 to %d", o.WordsPerSecond, MaxWordsPerSecond))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if o.Began.IsZero() {
		o.Began = o.Clock.Now()
	}
	return &Source{
		seed:       o.Seed,
		vocabulary: uint64(o.Vocabulary),
		rate:       int64(o.WordsPerSecond),
		clock:      o.Clock,
		start:      o.Began,
	}, nil
}

// Word returns the word at an offset of 0 or more, whether or not the end has passed it.
func (s *Source) Word(offset int64) string {
	return string(s.appendWord(nil, offset))
}

// appendWord is Word without an allocation per word.
func (s *Source) appendWord(to []byte, offset int64) []byte {
	n := splitMix64(s.seed, uint64(offset)) % s.vocabulary
	return append(to, 'w', byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// splitMix64 returns the output number n of the generator SplitMix64.
func splitMix64(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9E3779B97F4A7C15
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

// End returns the current length of the stream; words at lower offsets can be read.
func (s *Source) End() int64 {
	elapsed := max(0, s.clock.Since(s.start))
	whole, rest := int64(elapsed/time.Second), int64(elapsed%time.Second)
	return whole*s.rate + rest*s.rate/int64(time.Second)
}

// maxWait bounds one wait for the end, so that an offset far ahead does not overflow a duration.
const maxWait = time.Minute

// untilPast returns how long to wait before it is worth looking whether the end has passed the offset; 0 if it has.
func (s *Source) untilPast(offset int64) time.Duration {
	if offset < s.End() {
		return 0
	}
	// The end passes the offset at offset+1 words, rounded up to the next nanosecond.
	seconds, words := offset/s.rate, offset%s.rate+1
	if seconds > int64(1<<62/time.Second) {
		return maxWait
	}
	due := time.Duration(seconds)*time.Second + time.Duration((words*int64(time.Second)+s.rate-1)/s.rate)
	return max(time.Nanosecond, min(maxWait, due-s.clock.Since(s.start)))
}
