package model

import (
	"encoding/json"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Output is what was read of one output of the application.
type Output struct {
	At     Moment // when that was known
	Reader string // UID of the pod that read it
	Data   history.OutputData
}

// observeOutput takes what was read of an output; it is read once.
func (m *Model) observeOutput(e *history.Event, at Moment) error {
	output := Output{At: at}
	if e.Object != nil {
		output.Reader = e.Object.UID
	}
	if err := json.Unmarshal(e.Data, &output.Data); err != nil {
		return err
	}
	if err := output.Data.Check(); err != nil {
		return err
	}
	if !m.once(m.Outputs[output.Data.Name].At, at, "output "+output.Data.Name+" was read") {
		return nil
	}
	m.Outputs[output.Data.Name] = output
	return nil
}
