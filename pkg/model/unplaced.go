package model

import (
	"encoding/json"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Unplaced is the scheduler's last word on a pod that it found no node for.
type Unplaced struct {
	Message string
	At      Moment
}

// observeEvent notes what Kubernetes' own events say that no object does: why a pod is on no node.
func (m *Model) observeEvent(e *history.Event, at Moment) error {
	var event struct {
		Reason   string `json:"reason"`
		Message  string `json:"message"`
		Involved struct {
			Kind string `json:"kind"`
			UID  string `json:"uid"`
		} `json:"involvedObject"`
	}
	if err := json.Unmarshal(e.Data, &event); err != nil {
		return err
	}
	if event.Reason == "FailedScheduling" && event.Involved.Kind == "Pod" && e.Type != history.Deleted {
		m.unplaced[event.Involved.UID] = Unplaced{Message: event.Message, At: at}
	}
	return nil
}

// Unplaced returns the scheduler's last word on a pod; the zero Unplaced if it found a node for it or was not heard.
func (m *Model) Unplaced(uid string) Unplaced { return m.unplaced[uid] }
