package launcher_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// template returns parts of a pod as a scenario gives them.
func template(t *testing.T, parts string) *scenario.PodTemplate {
	t.Helper()
	made, err := scenario.NewPodTemplate(parts)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func withTemplates(t *testing.T, driver, executors string) *Objects {
	t.Helper()
	w := wordCount()
	w.Driver.Template, w.Executors.Template = template(t, driver), template(t, executors)
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTemplateAddsToTheDriver(t *testing.T) {
	t.Parallel()
	o := withTemplates(t, `{"metadata": {"labels": {"team": "data"}}, "spec": {
		"priorityClassName": "high", "tolerations": [{"key": "spot", "operator": "Exists"}], "volumes": [{"name": "scratch", "emptyDir": {}}],
		"containers": [
			{"name": "log", "image": "busybox"},
			{"name": "spark-kubernetes-driver", "env": [{"name": "REGION", "value": "north"}],
				"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
		]}}`, `{}`)
	plain := withTemplates(t, `{}`, `{}`)
	got, before := o.Driver, plain.Driver
	want := *before.DeepCopy()
	want.Labels["team"] = "data"
	want.Spec.PriorityClassName = "high"
	want.Spec.Tolerations = append(want.Spec.Tolerations, corev1.Toleration{Key: "spot", Operator: corev1.TolerationOpExists})
	scratch := corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	main := &want.Spec.Containers[0]
	main.Env = append(main.Env, corev1.EnvVar{Name: "REGION", Value: "north"})
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: "scratch", MountPath: "/scratch"})
	want.Spec.Volumes = append(want.Spec.Volumes, scratch)
	want.Spec.Containers = append(want.Spec.Containers, corev1.Container{Name: "log", Image: "busybox"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the driver's pod (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(plain.ConfigMap, o.ConfigMap); diff != "" {
		t.Errorf("the executors' template changed with the driver's (-want +got):\n%s", diff)
	}
}

func TestJobOverlay(t *testing.T) {
	t.Parallel()
	w := wordCount()
	job, err := scenario.NewJobOverlay(`{"activeDeadlineSeconds": 600, "ttlSecondsAfterFinished": 60}`)
	if err != nil {
		t.Fatal(err)
	}
	w.Driver.Job = job
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	plain := withTemplates(t, `{}`, `{}`)
	want := plain.Launching.Objects[0].(*batchv1.Job).DeepCopy()
	want.Spec.ActiveDeadlineSeconds, want.Spec.TTLSecondsAfterFinished = pointer[int64](600), pointer[int32](60)
	if diff := cmp.Diff(Object(want), o.Launching.Objects[0]); diff != "" {
		t.Errorf("the Job (-want +got):\n%s", diff)
	}
}

// Whatever the launcher and its components put into pods, no template can replace.
func TestTemplateCannotReplaceWhatIsThere(t *testing.T) {
	t.Parallel()
	w := stagedWordCount()
	w.Conf = map[string]scenario.ConfValue{"spark.hadoop.fs.s3a.secret.key": {FromEnv: "KEY"}}
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	spec := o.Driver.Spec
	main := spec.Containers[0]
	refused := func(what string, parts corev1.PodSpec) {
		encoded, err := json.Marshal(map[string]any{"spec": parts})
		if err != nil {
			t.Fatal(err)
		}
		changed := w
		changed.Driver.Template = template(t, string(encoded))
		if _, err := Render(changed, environment(), components.All()); err == nil || !strings.Contains(err.Error(), "cannot be replaced") {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
		if problems := scenario.CheckPodTemplate("at", scenario.OfDriver, *changed.Driver.Template); len(problems) == 0 {
			t.Errorf("%s: the scenario's own check does not refuse it", what)
		}
	}
	for _, volume := range spec.Volumes {
		refused("volume "+volume.Name, corev1.PodSpec{Volumes: []corev1.Volume{{Name: volume.Name}},
			Containers: []corev1.Container{{Name: main.Name}}})
	}
	for _, variable := range main.Env {
		refused("variable "+variable.Name, corev1.PodSpec{Containers: []corev1.Container{{Name: main.Name,
			Env: []corev1.EnvVar{{Name: variable.Name}}}}})
	}
	for _, mount := range main.VolumeMounts {
		refused("mount "+mount.MountPath, corev1.PodSpec{Containers: []corev1.Container{{
			Name: main.Name, VolumeMounts: []corev1.VolumeMount{{Name: "x", MountPath: mount.MountPath}}}}})
	}
	for _, container := range spec.InitContainers {
		refused("container "+container.Name, corev1.PodSpec{InitContainers: []corev1.Container{{Name: container.Name, Image: "x"}}})
	}
}

func TestPolicyAllowsWhatTheTemplateAsksForAlone(t *testing.T) {
	t.Parallel()
	parts := `{"spec": {
		"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
		"volumes": [
			{"name": "data", "nfs": {"server": "files", "path": "/data"}},
			{"name": "keys", "projected": {"sources": [{"secret": {"name": "keys"}}]}}
		],
		"containers": [
			{"name": "spark-kubernetes-executor", "envFrom": [{"secretRef": {"name": "settings"}}]},
			{"name": "log", "image": "busybox"}
		]}}`
	w := wordCount()
	w.Executors.Template = template(t, parts)
	a, plain := newAdmission(t, w, environment()), newAdmission(t, wordCount(), environment())
	user := "system:serviceaccount:" + a.objects.Namespace.Name + ":spark"
	pod := a.executor()
	if refused := a.refusals(user, pod, nil); refused != nil {
		t.Errorf("an executor with what the template asks for is refused: %q", refused)
	}
	if refused := plain.refusals(user, pod, nil); len(refused) == 0 {
		t.Error("without the template the same executor is accepted")
	}
	for what, change := range map[string]func(*corev1.Pod){
		"another export": func(p *corev1.Pod) {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "x",
				VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "files", Path: "/"}}})
		},
		"another Secret": func(p *corev1.Pod) {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "x",
				VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
					Sources: []corev1.VolumeProjection{{
						Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "others"}},
					}}}}})
		},
		"another toleration": func(p *corev1.Pod) {
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists,
				Effect: corev1.TaintEffectNoExecute})
		},
		"a privileged container": func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "x",
				SecurityContext: &corev1.SecurityContext{Privileged: pointer(true)}})
		},
	} {
		changed := pod.DeepCopy()
		change(changed)
		if refused := a.refusals(user, changed, nil); len(refused) != 1 {
			t.Errorf("%s: refused for %q, want one reason", what, refused)
		}
	}
}
