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
				m.trouble(at, "the clock of node %s was measured only after records of it had come, and it is wrong by %s", measured.Node, wording.Duration(measured.Offset.Abs()))
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
	return slack
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
		clock, known := m.Clocks[p.Node]
		if m.Clocks != nil && !known || m.Clocks == nil && m.Run.ClusterKind == kindExisting {
			unknown = append(unknown, p.Node)
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
