package model

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Clock is what is known of a node's clock.
type Clock struct {
	// Offset is by how much it is ahead of the harness's; times of the node are corrected by it.
	Offset time.Duration
	// Uncertainty is how wrong a corrected time may be.
	Uncertainty time.Duration
}

// clockTolerance is how far the clocks of two nodes may seem apart before their times are not compared any more. The
// delay of a record bounds the difference from above; where nodes have clocks of their own these were asked, too.
const clockTolerance = time.Second

// stepTolerance is how far the harness's wall clock may leave its monotonic clock before the times of others, which are known
// by their wall clocks alone, cannot be compared with its own.
const stepTolerance = 500 * time.Millisecond

// observeClocks notes the offsets of the nodes' clocks. The first measurement corrects the times of the node's records; a later
// one that differs shows how far the clock drifts.
func (m *Model) observeClocks(e *history.Event, at Moment) error {
	var data history.ClocksData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	if m.Clocks == nil {
		m.Clocks = map[string]Clock{}
	}
	for _, measured := range data.Nodes {
		clock, again := m.Clocks[measured.Node]
		if again {
			clock.Uncertainty += (measured.Offset - clock.Offset).Abs()
			m.Clocks[measured.Node] = clock
			continue
		}
		m.Clocks[measured.Node] = Clock{Offset: measured.Offset, Uncertainty: measured.Uncertainty}
		for _, p := range m.Processes {
			if p.Node == measured.Node && measured.Offset.Abs() > measured.Uncertainty {
				m.trouble(at, "the clock of node %s was measured only after records of it had come, and it is wrong by %s", measured.Node,
					wording.Duration(measured.Offset.Abs()))
				break
			}
		}
	}
	return nil
}

// told returns when a record of a node was written, by the harness's clock.
func (m *Model) told(r *history.WitnessRecord, seq int64) Moment {
	clock := m.Clocks[r.Node]
	return Moment{Seq: seq, At: time.UnixMicro(r.WallMicros).UTC().Add(-clock.Offset), Slack: clock.Uncertainty}
}

// kindExisting is the kind of clusters whose nodes have clocks of their own.
const kindExisting = "existing"

// Slack returns how uncertain the times of a process are.
func (m *Model) Slack(p *Process) time.Duration {
	slack := m.Clocks[p.Node].Uncertainty
	if p.Live && p.Delay.Abs() > clockTolerance {
		slack = max(slack, p.Delay.Abs())
	}
	if m.drift > stepTolerance {
		slack += m.drift
	}
	return slack + m.setBack(p)
}

// ClockKnown reports whether the clock of a process's node was asked, or is the harness's own.
func (m *Model) ClockKnown(p *Process) bool {
	if m.Clocks == nil {
		return m.Run.ClusterKind != kindExisting
	}
	_, asked := m.Clocks[p.Node]
	return asked
}

// setBack returns by how much a process's clock was set back while it wrote its records: their times fall although their numbers rise.
func (m *Model) setBack(p *Process) time.Duration {
	w := m.writers[p.PodUID]
	if w == nil || m.skewed[p.PodUID] {
		return 0
	}
	if back := w.numbers.back(); back > clockTolerance {
		return back
	}
	return 0
}

// SureLife returns the times in which a process lived whatever its clock did. A pause of one whose node has a clock of its own may be a
// step of that clock instead, unless records that came afterwards at once show that the clock was right: then all that follows was as
// much earlier.
func (m *Model) SureLife(p *Process) Spans {
	all := m.Life(p)
	if m.Clocks == nil {
		return all
	}
	steps := time.Duration(0)
	for i := 1; i < len(p.Alive); i++ {
		if before, after := p.Alive[i-1].To.At, p.Alive[i].From.At; !before.Before(p.heard) && !m.paused(p, before, after) {
			steps += after.Sub(before)
		}
	}
	var sure Spans
	for _, one := range all {
		if one.To.At.After(p.heard) {
			one.To.At = Later(Moment{At: one.To.At.Add(-steps)}, Moment{At: Earlier(Moment{At: p.heard}, one.To).At}).At
		}
		if one.To.At.After(one.From.At) {
			sure = append(sure, one)
		}
	}
	return sure
}

// ClockDoubts returns why the times of processes cannot be compared with each other and with the harness's, each as an assumption that
// does not hold; nothing if they can.
func (m *Model) ClockDoubts(processes ...*Process) []string {
	var unknown, wrong, untimed, doubts []string
	doubt := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	for _, p := range processes {
		if p == nil {
			continue
		}
		clock := m.Clocks[p.Node]
		if !m.ClockKnown(p) {
			unknown = append(unknown, p.Node)
		}
		if back := m.setBack(p); back > 0 {
			wrong = append(wrong, fmt.Sprintf("that of node %s was set back by %s while %s reported", p.Node, wording.Duration(back), p.PodName))
		}
		if clock.Uncertainty > clockTolerance {
			wrong = append(wrong, fmt.Sprintf("that of node %s is uncertain by %s", p.Node, wording.Duration(clock.Uncertainty)))
		}
		if p.Live && p.Delay.Abs() > clockTolerance {
			wrong = append(wrong, fmt.Sprintf("that of %s by %s", p.PodName, wording.Duration(p.Delay.Abs())))
		}
		if p.Untimed > 0 {
			untimed = append(untimed, p.PodName)
		}
	}
	if len(unknown) > 0 {
		doubt("the clock of each node was asked%s", wording.Except(wording.Distinct(unknown)))
	}
	if len(wrong) > 0 {
		doubt("the clocks agree with the harness's within %s%s", clockTolerance, wording.Except(wording.Distinct(wrong)))
	}
	if len(untimed) > 0 {
		doubt("no process whose clock a fault put wrong left records whose arrival nobody saw%s", wording.Except(wording.Distinct(untimed)))
	}
	if m.drift > stepTolerance {
		doubt("the harness's wall clock kept time (it left the monotonic clock by %s)", wording.Duration(m.drift))
	}
	return doubts
}
