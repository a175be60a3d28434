package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// The figures from which on a machine is starved: a time bound that is exceeded on it says nothing about the application.
const (
	starvedRunnable = 4.0             // processes that want a CPU, for each CPU: each of them gets a quarter at most
	starvedTimer    = time.Second     // by how much a timer of the harness was late
	starvedSilence  = 3 * time.Second // of a JVM that beats ten times a second, while no fault held it
)

// starved returns why a violation of a bound in time may be the machine's doing; empty if it may not. What would have been late on a
// machine as many times as fast, too, is a violation all the same.
func starved(m *model.Model, w Window) string {
	if w.To.Before(w.From) {
		return ""
	}
	load := load(m, w.From, w.To)
	slowdown := load.runnable
	why := ""
	switch silent, p := m.Silent(w.From, w.To); {
	case load.runnable >= starvedRunnable:
		why = fmt.Sprintf("the machine was starved: %.1f processes wanted each CPU (limit %.0f), CPU pressure was %.0f %%", load.runnable,
			starvedRunnable, 100*load.cpu)
	case load.late >= starvedTimer:
		why = fmt.Sprintf("the machine was starved: a timer of the harness was late by %s (limit %s)", wording.Duration(load.late),
			wording.Duration(starvedTimer))
	case silent >= starvedSilence:
		why = fmt.Sprintf("the machine was starved: the JVM in pod %s stood still for %s (limit %s), and no fault held it", p.PodName,
			wording.Duration(silent), wording.Duration(starvedSilence))
	}
	if why == "" {
		return ""
	}
	if w.Bound > 0 && float64(w.Least) > max(slowdown, 1)*float64(w.Bound)*margin {
		return ""
	}
	return why
}

// margin is by how much more than the slowdown of the machine a bound must have been exceeded.
const margin = 1.5

// loadSeen sums up the load of a time.
type loadSeen struct {
	runnable float64 // for each CPU, the mean
	cpu      float64 // pressure, 0 to 1, the mean
	late     time.Duration
}

// load returns how busy the busiest machine was in a time, of those that were measured.
func load(m *model.Model, from, to time.Time) loadSeen {
	var busiest loadSeen
	machines := map[string]bool{}
	for _, load := range m.Loads {
		if machines[load.Data.Node] {
			continue
		}
		machines[load.Data.Node] = true
		seen := loadOf(m, load.Data.Node, from, to)
		busiest = loadSeen{max(busiest.runnable, seen.runnable), max(busiest.cpu, seen.cpu), max(busiest.late, seen.late)}
	}
	return busiest
}

// loadOf returns how busy a node was in a time; the machine of the harness if it is empty.
func loadOf(m *model.Model, node string, from, to time.Time) loadSeen {
	var seen loadSeen
	var total time.Duration
	for _, load := range m.Loads {
		if load.Data.Node != node {
			continue
		}
		begin := load.At.At.Add(-load.Data.For)
		shared := model.Earlier(load.At, model.Moment{At: to}).At.Sub(model.Later(model.Moment{At: begin}, model.Moment{At: from}).At)
		if shared <= 0 || load.Data.CPUs < 1 {
			continue
		}
		total += shared
		seen.late = max(seen.late, load.Data.TimerLate)
		seen.runnable += max(0, load.Data.Runnable) / float64(load.Data.CPUs) * shared.Seconds()
		seen.cpu += max(0, load.Data.CPU) * shared.Seconds()
	}
	if total > 0 {
		seen.runnable /= total.Seconds()
		seen.cpu /= total.Seconds()
	}
	return seen
}
