package scenario

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withParts returns good with a driver in line 10, and with executors in line 11.
func withParts(t *testing.T, driver, executors string) string {
	t.Helper()
	text := with(t, "{kind: Job, backoffLimit: 3}", driver)
	return strings.Replace(text, "stagingServer: {storage: none}", "executors: "+executors, 1)
}

func TestPartsOfObjects(t *testing.T) {
	t.Parallel()
	text := withParts(t,
		`{podReplacementPolicy: Failed, template: {metadata: {labels: {team: data}}, spec: {priorityClassName: high, containers: [{name: `+
			`spark-kubernetes-driver, env: [{name: REGION, value: "1"}]}]}}, job: {activeDeadlineSeconds: 600, podFailurePolicy: {rules: `+
			`[{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}}}`,
		`{template: {spec: {volumes: [{name: scratch, emptyDir: {sizeLimit: 1Gi}}], tolerations: [{operator: Exists}], containers: [{name: `+
			`log, image: busybox}]}}}`)
	s, err := Load("f.yaml", []byte(text), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"metadata.labels", "spec.containers", "spec.priorityClassName"}
	if diff := cmp.Diff(want, s.Spec.Workload.Driver.Template.Fields()); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"activeDeadlineSeconds", "podFailurePolicy.rules"}, s.Spec.Workload.Driver.Job.Fields()); diff != "" {
		t.Errorf("fields of the Job (-want +got):\n%s", diff)
	}
	written, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("again.yaml", written, fakeCatalogue())
	if err != nil {
		t.Fatalf("%v in\n%s", err, written)
	}
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("after writing (-want +got):\n%s", diff)
	}
}

func TestPartsThatWouldBreakARun(t *testing.T) {
	t.Parallel()
	const driver, executors = "spec.workload.driver.", "spec.workload.executors."
	for _, tc := range []struct{ driver, executors, want string }{
		{`{template: [1]}`, `{}`, `10:24: ` + driver + `template: want a mapping with parts of a PodTemplateSpec, got a list`},
		{`{template: {spec: {nodeSelctor: {a: b}}}}`, `{}`,
			`10:45: ` + driver + `template.spec.nodeSelctor: is no field of Kubernetes' API; did you mean nodeSelector?`},
		{`{template: {spec: {containers: [{name: spark-kubernetes-driver, env: [{nam: A}]}]}}}`, `{}`,
			`10:89: ` + driver + `template.spec.containers[0].env[0].nam: is no field of Kubernetes' API; did you mean name?`},
		{`{template: {spec: {priority: high}}}`, `{}`,
			`10:42: ` + driver + `template.spec.priority: is a string, which does not fit here; want a int32, as Kubernetes' API has it`},
		{`{template: {metadata: {name: x}}}`, `{}`, `10:42: ` + driver +
			`template.metadata.name: is made by Kubernetes and Spark for each pod again; a template can add labels and annotations alone`},
		{`{template: {metadata: {labels: {sparkchaos.dev/run: x}}}}`, `{}`,
			`10:65: ` + driver + `template.metadata.labels.sparkchaos.dev/run: is set by sparkchaos, by which pods of the application are ` +
				`distinguished from others; choose another key`},
		{`{template: {spec: {restartPolicy: OnFailure}}}`, `{}`,
			`10:47: ` + driver + `template.spec.restartPolicy: is Never: a container that was restarted in its pod could not be ` +
				`distinguished from the one before; leave it out`},
		{`{template: {spec: {nodeName: worker-1}}}`, `{}`,
			`10:42: ` + driver + `template.spec.nodeName: would pass over the scheduler, which is part of what is tried; use nodeSelector, or ` +
				`driver.nodeName`},
		{`{template: {spec: {serviceAccountName: admin}}}`, `{}`,
			`10:52: ` + driver + `template.spec.serviceAccountName: is that of the run, which has the rights that Spark needs and no more; ` +
				`leave it out`},
		{`{template: {spec: {containers: [{name: spark-kubernetes-driver, command: [sh]}]}}}`, `{}`,
			`10:86: ` + driver + `template.spec.containers[0].command: is how Spark is started, and by that the application found and observed; ` +
				`write application, args and conf`},
		{`{template: {spec: {containers: [{name: spark-kubernetes-driver, env: [{name: SPARKCHAOS_POD_UID, value: x}]}]}}}`, `{}`,
			`10:90: ` + driver + `template.spec.containers[0].env[0].name: is set by sparkchaos, for Spark and for what observes it; choose ` +
				`another name`},
		{`{template: {spec: {containers: [{name: driver, env: [{name: A, value: x}]}]}}}`, `{}`,
			`10:45: ` + driver + `template.spec.containers[0].image: missing; a container beside Spark's, which is called ` +
				`spark-kubernetes-driver, needs one`},
		{`{template: {spec: {volumes: [{name: shared, emptyDir: {}}]}}}`, `{}`,
			`10:49: ` + driver + `template.spec.volumes[0].name: is a volume of sparkchaos; choose another name`},
		{`{template: {spec: {tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists}]}}}`, `{}`,
			`10:52: ` + driver + `template.spec.tolerations[0].key: is that of a lost node, for which there is a field; write tolerationSeconds`},
		{`{template: {spec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}}}`, `{}`,
			`10:95: ` + driver + `template.spec.containers[0].securityContext.privileged: ` + unconfined},
		{`{job: {parallelism: 2}}`, `{}`, `10:33: ` + driver + `job.parallelism: decides how many drivers there are, which is one; leave it out`},
		{`{job: {backoffLimit: 2}}`, `{}`, `10:34: ` + driver + `job.backoffLimit: has a field of its own; write driver.backoffLimit`},
		{`{kind: Pod, job: {ttlSecondsAfterFinished: 2}}`, `{}`,
			`10:30: ` + driver + `job: a bare Pod has no Job; leave it out or write kind: Job`},
		{`{job: {podFailurePolicy: {rules: []}}}`, `{}`,
			`10:38: ` + driver + `job.podFailurePolicy: needs pods that have ended before they are replaced; write ` +
				`driver.podReplacementPolicy: Failed`},
		{`{}`, `{template: {spec: {terminationGracePeriodSeconds: 5}}}`,
			`11:66: ` + executors + `template.spec.terminationGracePeriodSeconds: is overwritten by Spark; write conf: ` +
				`{spark.kubernetes.executor.terminationGracePeriodSeconds: …}`},
		{`{}`, `{template: {spec: {containers: [{name: spark-kubernetes-executor, resources: {limits: {memory: 2Gi}}}]}}}`,
			`11:111: ` + executors + `template.spec.containers[0].resources.limits.memory: is overwritten by Spark; write executors.memory, or ` +
				`conf: {spark.executor.memoryOverhead: …}`},
		{`{}`, `{template: {spec: {volumes: [{name: a, csi: {driver: x}}]}}}`,
			`11:45: ` + executors + `template.spec.volumes[0]: is of a kind that the run's admission policy cannot distinguish from others ` +
				`of the kind; executors can have emptyDir, configMap, downwardAPI, hostPath, persistentVolumeClaim, secret, projected and nfs`},
	} {
		_, err := Load("f.yaml", []byte(withParts(t, tc.driver, tc.executors)), fakeCatalogue())
		var problems *Error
		if !errors.As(err, &problems) {
			t.Errorf("%s %s: got %v, want problems", tc.driver, tc.executors, err)
			continue
		}
		if diff := cmp.Diff("f.yaml:"+tc.want, problems.Error()); diff != "" {
			t.Errorf("%s %s: problems (-want +got):\n%s", tc.driver, tc.executors, diff)
		}
	}
}

func FuzzParts(f *testing.F) {
	f.Add(`{spec: {containers: [{name: a, image: b}]}}`)
	f.Add(`{metadata: {labels: {a: 1}}}`)
	f.Add(`{spec: {volumes: [{name: a, projected: {sources: [{}]}}], tolerations: [null]}}`)
	f.Fuzz(func(t *testing.T, parts string) {
		text := strings.Replace(good, "{kind: Job, backoffLimit: 3}", "{template: "+parts+"}", 1)
		s, err := Load("f.yaml", []byte(text), fakeCatalogue())
		var problems *Error
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("%v is not told with its place", err)
		}
		if err != nil || s.Spec.Workload.Driver.Template == nil {
			return
		}
		if _, err := NewPodTemplate(string(s.Spec.Workload.Driver.Template.JSON())); err != nil {
			t.Fatalf("%s was accepted: %v", parts, err)
		}
	})
}
