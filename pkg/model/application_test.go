package model

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestTheStatesOfAnOperatorsApplication(t *testing.T) {
	t.Parallel()
	kubeflow := func(state, why string) object {
		return object{"metadata": object{"uid": "a"}, "status": object{"applicationState": object{"state": state, "errorMessage": why}}}
	}
	apache := func(state, why string) object {
		return object{"metadata": object{"uid": "a"}, "status": object{"currentState": object{"currentStateSummary": state, "message": why}}}
	}
	for name, c := range map[string]struct {
		states         []object
		complete, fail bool
		reason, state  string
		trouble        string
	}{
		"kubeflow's runs":      {[]object{kubeflow("SUBMITTED", ""), kubeflow("RUNNING", "")}, false, false, "", "RUNNING", ""},
		"kubeflow's restarts":  {[]object{kubeflow("FAILING", "exit 1"), kubeflow("PENDING_RERUN", "")}, false, false, "", "PENDING_RERUN", ""},
		"kubeflow's completes": {[]object{kubeflow("SUCCEEDING", ""), kubeflow("COMPLETED", "")}, true, false, "", "COMPLETED", ""},
		"kubeflow's fails": {[]object{kubeflow("FAILED", "driver pod not found")}, false, true, "driver pod not found", "FAILED",
			"driver pod not found"},
		"kubeflow's cannot submit": {[]object{kubeflow("SUBMISSION_FAILED", "no such image")}, false, false, "", "SUBMISSION_FAILED",
			"no such image"},
		"Apache's succeeds": {[]object{apache("Succeeded", ""), apache("ResourceReleased", "")}, true, false, "", "ResourceReleased", ""},
		"Apache's restarts": {[]object{apache("Failed", "exit 1"), apache("ScheduledToRestart", ""), apache("RunningHealthy", "")}, false,
			false, "exit 1", "RunningHealthy", ""},
		"Apache's fails": {[]object{apache("Failed", "exit 1"), apache("ResourceReleased", "")}, false, true, "exit 1", "ResourceReleased", ""},
	} {
		m := historytest.Observed(t, New(), func(b *historytest.Builder) {
			b.Harness(time.Millisecond, history.WorkloadLaunched, history.WorkloadData{DriverKind: "SparkApplication", DriverUID: "a"})
			for i, state := range c.states {
				b.Object(time.Duration(i+1)*second, history.Modified, "SparkApplication", "app", state)
			}
		})
		job := m.Job()
		if !job.Complete.Never() != c.complete || !job.Failed.Never() != c.fail || job.Reason != c.reason || job.State != c.state || !m.Kept() ||
			job.Trouble != c.trouble {
			t.Errorf("%s: got %+v", name, job)
		}
	}
}

func TestDriversAreFoundByLabelsAndOwner(t *testing.T) {
	t.Parallel()
	pod := func(uid string, labels object, owner object) object {
		meta := object{"uid": uid, "name": uid, "namespace": "ns", "labels": labels}
		if owner != nil {
			meta["ownerReferences"] = []any{owner}
		}
		return object{"metadata": meta}
	}
	driver := object{"role": "driver"}
	owned := func(kind, uid string) object { return object{"kind": kind, "uid": uid, "controller": true} }
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(time.Millisecond, history.WorkloadLaunched, history.WorkloadData{
			Namespace: "ns", DriverKind: "SparkApplication", DriverUID: "app", DriverSelector: "role=driver",
		})
		for i, p := range []object{
			pod("bare", driver, nil), pod("its", driver, owned("SparkApplication", "app")),
			pod("others", driver, owned("SparkApplication", "other")),
			pod("executor", driver, owned("Pod", "bare")), pod("stranger", object{"role": "web"}, nil),
		} {
			b.Object(time.Duration(i+1)*second, history.Added, "Pod", "p", p)
		}
	})
	var got []string
	for _, incarnation := range m.Incarnations() {
		got = append(got, incarnation.UID)
	}
	if len(got) != 2 || got[0] != "bare" || got[1] != "its" {
		t.Errorf("drivers are %q, want bare and its", got)
	}
}
