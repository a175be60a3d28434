package model

import (
	"cmp"
	"encoding/json"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Kept reports whether an object keeps a driver running: a Job, or the application of an operator. Nothing makes a bare pod again.
func (m *Model) Kept() bool { return m.Workload.DriverKind != "" && m.Workload.DriverKind != "Pod" }

// observeApplication notes what an operator says about an application: kubeflow's calls its state in capitals, Apache's in words.
func (m *Model) observeApplication(e *history.Event, at Moment) error {
	var object struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			Kubeflow struct {
				State string `json:"state"`
				Error string `json:"errorMessage"`
			} `json:"applicationState"`
			Apache struct {
				State   string `json:"currentStateSummary"`
				Message string `json:"message"`
			} `json:"currentState"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	uid := cmp.Or(object.Metadata.UID, e.Object.UID)
	application := m.Jobs[uid]
	if application == nil {
		application = &Job{}
		m.Jobs[uid] = application
	}
	if e.Type == history.Deleted || object.Metadata.DeletionTimestamp != nil {
		application.Deleted.KeepEarlier(at)
	}
	kubeflow, apache := object.Status.Kubeflow, object.Status.Apache
	application.State, application.Trouble = cmp.Or(kubeflow.State, apache.State), kubeflow.Error
	switch application.State {
	case "COMPLETED", "Succeeded":
		application.Complete.KeepEarlier(at)
	case "Failed", "DriverEvicted", "SchedulingFailure": // of Apache's, which may start it again
		application.Reason = cmp.Or(apache.Message, application.State)
	case "FAILED":
		application.failed(at, cmp.Or(kubeflow.Error, application.State))
	case "ResourceReleased", "TerminatedWithoutReleaseResources":
		if application.Complete.Never() {
			application.failed(at, cmp.Or(application.Reason, application.State))
		}
	}
	return nil
}

// failed notes that nothing starts the application again.
func (j *Job) failed(at Moment, why string) {
	if j.Failed.Never() {
		j.Failed, j.Reason = at, why
	}
}
