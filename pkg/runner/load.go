package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const (
	// loadEvery is the time that one measurement of the machine's load covers.
	loadEvery = 5 * time.Second
	// loadSample is the time between two looks at what waits for a CPU. The timer that ends it is also the one whose lateness is
	// measured.
	loadSample = 100 * time.Millisecond
	// leastLoad is the shortest time that is worth a measurement of its own, at the end of a run.
	leastLoad = time.Second
	// unknownLoad stands for a figure that could not be had.
	unknownLoad = -1
)

// measureLoad records how busy the machine is until stop is called, which returns when the last measurement is written.
// On a machine without Linux's figures only the lateness of timers is known.
func measureLoad(ctx context.Context, log *history.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	meter := newLoadMeter(func(name string) ([]byte, error) { return os.ReadFile(path.Join("/proc", name)) }, time.Now())
	go func() {
		defer close(done)
		meter.run(ctx, func(data history.LoadData) error {
			_, err := log.Append(history.Harness, history.LoadMeasured, nil, data)
			return err
		})
	}()
	return func() {
		cancel()
		<-done
	}
}

// loadMeter adds up one measurement after the other.
type loadMeter struct {
	read  func(name string) ([]byte, error) // a file below /proc
	since time.Time
	// began is how long processes had waited for each resource when the measurement began; one that is missing is not known.
	began   map[string]time.Duration
	running int // sum of the samples
	samples int
	late    time.Duration
}

func newLoadMeter(read func(name string) ([]byte, error), now time.Time) *loadMeter {
	m := &loadMeter{read: read}
	m.reset(now)
	return m
}

// The resources of which Linux says how long processes waited for them.
const (
	resourceCPU    = "cpu"
	resourceMemory = "memory"
	resourceIO     = "io"
)

func (m *loadMeter) reset(now time.Time) {
	m.since, m.running, m.samples, m.late = now, 0, 0, 0
	m.began = map[string]time.Duration{}
	for _, resource := range []string{resourceCPU, resourceMemory, resourceIO} {
		if waited, err := m.waited(resource); err == nil {
			m.began[resource] = waited
		}
	}
}

// run measures until the context ends or a measurement cannot be written.
func (m *loadMeter) run(ctx context.Context, write func(history.LoadData) error) {
	due := m.since.Add(loadSample)
	for pause(ctx, time.Until(due)) == nil {
		now := time.Now()
		m.sample(now.Sub(due))
		if now.Sub(m.since) >= loadEvery {
			if write(m.result(now)) != nil {
				return // what keeps the history from being written ends the run by itself
			}
			m.reset(now)
		}
		if due = due.Add(loadSample); due.Before(now) { // what was missed is not made up for
			due = now.Add(loadSample)
		}
	}
	if now := time.Now(); now.Sub(m.since) >= leastLoad {
		_ = write(m.result(now)) // as above
	}
}

func (m *loadMeter) sample(late time.Duration) {
	m.late = max(m.late, late)
	content, err := m.read("stat")
	if err != nil {
		return
	}
	if running, err := parseRunning(content); err == nil {
		m.running += running
		m.samples++
	}
}

func (m *loadMeter) result(now time.Time) history.LoadData {
	data := history.LoadData{
		For: now.Sub(m.since), CPUs: runtime.GOMAXPROCS(0), Runnable: unknownLoad, TimerLate: m.late,
		CPU: m.share(resourceCPU, now), Memory: m.share(resourceMemory, now), IO: m.share(resourceIO, now),
	}
	if m.samples > 0 {
		data.Runnable = float64(m.running) / float64(m.samples)
	}
	return data
}

// share returns in which part of the time a process waited for a resource.
func (m *loadMeter) share(resource string, now time.Time) float64 {
	before, known := m.began[resource]
	waited, err := m.waited(resource)
	if !known || err != nil || waited < before || !now.After(m.since) {
		return unknownLoad
	}
	return min(float64(waited-before)/float64(now.Sub(m.since)), 1) // the file is read a little after the clock
}

func (m *loadMeter) waited(resource string) (time.Duration, error) {
	content, err := m.read("pressure/" + resource)
	if err != nil {
		return 0, err
	}
	return parsePressure(content)
}

// parsePressure reads from a file of /proc/pressure for how long at least one process waited, since the machine was
// booted.
func parsePressure(content []byte) (time.Duration, error) {
	line, err := lineThatBegins(content, "some ")
	if err != nil {
		return 0, err
	}
	for _, field := range strings.Fields(line) {
		total, found := strings.CutPrefix(field, "total=")
		if !found {
			continue
		}
		micros, err := strconv.ParseInt(total, 10, 64)
		if err != nil || micros < 0 || micros > int64(maxDuration/time.Microsecond) {
			return 0, fmt.Errorf("pressure %q: expected a number of microseconds", field)
		}
		return time.Duration(micros) * time.Microsecond, nil
	}
	return 0, fmt.Errorf("pressure %q: it says no total", line)
}

const maxDuration = time.Duration(1<<63 - 1)

// parseRunning reads from /proc/stat how many processes run or wait for a CPU.
func parseRunning(content []byte) (int, error) {
	const key = "procs_running "
	line, err := lineThatBegins(content, key)
	if err != nil {
		return 0, err
	}
	running, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, key)))
	if err != nil || running < 0 {
		return 0, fmt.Errorf("%q: expected a number of processes", line)
	}
	return running, nil
}

func lineThatBegins(content []byte, prefix string) (string, error) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20) // the line of interrupts is long on large machines
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			return lines.Text(), nil
		}
	}
	return "", errors.Join(fmt.Errorf("no line begins with %q", prefix), lines.Err())
}
