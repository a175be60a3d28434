// Package selector is compiled into packages under mutation test. Its functions stand where a mutant may change what
// the code does; which one does is chosen when the process starts. So one build serves all mutants.
package selector

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// The environment by which internal/mutate talks to a process under test.
const (
	// ActiveVariable names the mutant that is active, by its number. Without it none is.
	ActiveVariable = "SPARKCHAOS_MUTANT"
	// ReachedVariable names a file to which the numbers of the mutants that were reached are appended, one a line.
	ReachedVariable = "SPARKCHAOS_MUTANTS_REACHED"
	// CPUVariable is how many seconds of processor time the process may use before the kernel ends it.
	CPUVariable = "SPARKCHAOS_MUTANT_CPU"
	// MemoryVariable is how many bytes of address space the process may use.
	MemoryVariable = "SPARKCHAOS_MUTANT_MEMORY"
)

// MaxMutants is the largest number that a mutant can have.
const MaxMutants = 1 << 16

// settings are read once: a function that stands in an expression has no parameter through which they could be passed.
type settings struct {
	active  int
	reached *os.File
	noted   *[MaxMutants + 1]atomic.Bool
}

var current = start()

// start panics on settings that cannot be used: a mutant that is silently inactive would count as one that survived.
func start() settings {
	var s settings
	s.active = int(number(ActiveVariable))
	if path := os.Getenv(ReachedVariable); path != "" {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(fmt.Errorf("opening the file of reached mutants: %w", err))
		}
		s.reached, s.noted = file, new([MaxMutants + 1]atomic.Bool)
	}
	limit(syscall.RLIMIT_CPU, number(CPUVariable))
	limit(syscall.RLIMIT_AS, number(MemoryVariable))
	return s
}

func number(variable string) uint64 {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		panic(fmt.Errorf("%s=%q is not a number: %w", variable, text, err))
	}
	return n
}

// limit sets the hard limit too, since Go programs ignore the signal that the soft one sends.
func limit(resource int, value uint64) {
	if value == 0 {
		return
	}
	if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
		panic(fmt.Errorf("limiting resource %d to %d: %w", resource, value, err))
	}
}

// On reports whether the mutant is active, and notes that it was reached.
func On(id int) bool {
	if current.reached != nil {
		current.note(id)
	}
	return id == current.active
}

// note writes at once and without a buffer: nothing runs at the end of a test binary.
func (s *settings) note(id int) {
	if s.noted[id].Swap(true) {
		return
	}
	if _, err := s.reached.WriteString(strconv.Itoa(id) + "\n"); err != nil {
		panic(fmt.Errorf("noting that mutant %d was reached: %w", id, err))
	}
}

// Number is what arithmetic mutants work on.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

// Value returns original, or mutated if the mutant is active.
func Value[T any](id int, original, mutated T) T {
	if On(id) {
		return mutated
	}
	return original
}

// Add returns x + y, or x - y if the mutant is active.
func Add[T Number](id int, x, y T) T {
	if On(id) {
		return x - y
	}
	return x + y
}

// Sub returns x - y, or x + y if the mutant is active.
func Sub[T Number](id int, x, y T) T {
	if On(id) {
		return x + y
	}
	return x - y
}

// Mul returns x * y, or x / y if the mutant is active.
func Mul[T Number](id int, x, y T) T {
	if On(id) {
		return x / y
	}
	return x * y
}

// Div returns x / y, or x * y if the mutant is active.
func Div[T Number](id int, x, y T) T {
	if On(id) {
		return x * y
	}
	return x / y
}

// Min returns the least of the values, or the greatest if the mutant is active.
func Min[T cmp.Ordered](id int, first T, rest ...T) T {
	if On(id) {
		return greatest(first, rest)
	}
	return least(first, rest)
}

// Max returns the greatest of the values, or the least if the mutant is active.
func Max[T cmp.Ordered](id int, first T, rest ...T) T {
	if On(id) {
		return least(first, rest)
	}
	return greatest(first, rest)
}

func least[T cmp.Ordered](found T, rest []T) T {
	for _, value := range rest {
		found = min(found, value)
	}
	return found
}

func greatest[T cmp.Ordered](found T, rest []T) T {
	for _, value := range rest {
		found = max(found, value)
	}
	return found
}
