package tell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Record is what reports take from a history.
type Record struct {
	Model  *model.Model
	Plan   Plan
	Proofs map[string][]string // what was observed as a fault landed, by the fault's name
	Damage []string            // defects of the file, in words
}

// Plan is the part of a run's plan that reports show.
type Plan struct {
	Scenario struct {
		Description string            `json:"description"`
		Labels      map[string]string `json:"labels"`
	} `json:"scenario"`
	Cluster struct {
		Kind    string          `json:"kind"`
		Workers int             `json:"workers"`
		Timing  json.RawMessage `json:"timing"` // a name, or knobs
	} `json:"cluster"`
	Workload struct {
		Application struct {
			Name string `json:"name"`
		} `json:"application"`
		Executors struct {
			Instances int `json:"instances"`
		} `json:"executors"`
	} `json:"workload"`
}

// Timing returns the name of the cluster's timing; empty if it has none.
func (p Plan) Timing() string {
	var name string
	if json.Unmarshal(p.Cluster.Timing, &name) != nil {
		return ""
	}
	return name
}

// Read reads a history to its end. each, if not nil, is called with every event, whose memory is not kept.
func Read(in io.Reader, each func(*history.Event)) (*Record, error) {
	record := &Record{
		Model:  model.New(model.KeepProgress(), model.KeepTasks(func(history.RunData) bool { return true })),
		Proofs: map[string][]string{},
	}
	reader := history.NewReader(in)
	var event history.Event
	for {
		err := reader.Next(&event)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		record.Model.Observe(&event)
		if event.Source == history.Fault && event.Type == history.FaultLanded {
			record.observeLanding(event.Data)
		}
		if each != nil {
			each(&event)
		}
	}
	for _, problem := range reader.Problems() {
		record.Damage = append(record.Damage, problem.Text)
	}
	_ = json.Unmarshal(record.Model.Run.Plan, &record.Plan) // without a plan there is less to tell
	return record, nil
}

// observeLanding notes what proved that a fault landed. Evidence of another shape, as of kinds that compare objects, has no observations.
func (r *Record) observeLanding(data json.RawMessage) {
	var landed struct {
		Fault    string `json:"fault"`
		Evidence struct {
			Observations []struct {
				What string `json:"what"`
			} `json:"observations"`
		} `json:"evidence"`
	}
	if json.Unmarshal(data, &landed) != nil {
		return
	}
	var proof []string
	for _, o := range landed.Evidence.Observations {
		proof = append(proof, o.What)
	}
	r.Proofs[landed.Fault] = proof
}
