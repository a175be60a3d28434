package launcher

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// RoleOutputReader is the role of the pod that reads what an application wrote, once it has ended.
const RoleOutputReader = history.RoleOutputReader

// NeedsWitnessJar reports whether a workload needs Environment.Witness.Jar or OutputJar, which are one: it has the reader of outputs, too.
func NeedsWitnessJar(w scenario.Workload) bool { return w.Witnessed() || len(w.Output) > 0 }

// OutputTimeout limits the time to read the outputs of an application.
const OutputTimeout = 10 * time.Minute

// OutputMark begins each line of the reader's log that reports an output: a part of a JSON object. It is followed by OutputMore
// where the next marked line continues, and by OutputLast at the last part. A runtime cuts long lines, and what the pod writes to its
// other stream gets between.
const (
	OutputMark = "SPARKCHAOS-OUTPUT "
	OutputMore = "+"
	OutputLast = "."
)

// OutputReaderName is the name of that pod, of the ConfigMap with its jar, and of the volume of that.
const OutputReaderName = "output-reader"

const (
	readerKey    = "reader.jar"
	readerFolder = "/opt/sparkchaos-output"
	readerClass  = "dev.sparkchaos.output.OutputReader"
	readerCores  = 2
)

// readerJar returns the ConfigMap with the jar of the reader, and what keeps there from being one; both nil without outputs.
func readerJar(w scenario.Workload, env Environment) (*corev1.ConfigMap, error) {
	if len(w.Output) == 0 {
		return nil, nil
	}
	if size := len(env.OutputJar); size == 0 || size > corev1.MaxSecretSize {
		return nil, fmt.Errorf("environment: the jar of the reader of outputs has %s: a ConfigMap has to hold it, with 1 to %d",
			wording.Count(size, "byte"), corev1.MaxSecretSize)
	}
	immutable := true
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: ObjectMeta(env, OutputReaderName),
		Immutable:  &immutable,
		BinaryData: map[string][]byte{readerKey: env.OutputJar},
	}, nil
}

// outputReader is the driver's pod with another application: one that reads the outputs, in a Spark without executors. It has the image,
// the settings, the volumes and the template of the driver, so whatever that could write it can read.
func outputReader(l Launch, extensions []Extension, cpu, memory resource.Quantity) (*corev1.Pod, error) {
	if len(l.Workload.Output) == 0 {
		return nil, nil
	}
	outputs, err := json.Marshal(l.Workload.Output)
	if err != nil {
		return nil, fmt.Errorf("workload: output: %w", err)
	}
	l.Settings = readerSettings(l, extensions)
	w := &l.Workload
	w.Driver.NodeName, w.Driver.Beside = "", ""
	w.Application = scenario.Application{
		Main: localScheme + readerFolder + "/" + readerKey, MainClass: readerClass, Args: []string{string(outputs)},
	}
	made := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{RunLabel: l.Env.RunID, RoleLabel: RoleOutputReader}},
		Spec:       driverSpec(byJob{}, l, extensions, cpu, memory),
	}
	made.Spec.Volumes = append(made.Spec.Volumes, corev1.Volume{Name: OutputReaderName, VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: OutputReaderName}},
	}})
	main := &made.Spec.Containers[0]
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: OutputReaderName, MountPath: readerFolder, ReadOnly: true})
	merged, err := withTemplate(made, w.Driver.Template)
	if err != nil {
		return nil, fmt.Errorf("workload: driver.template: %w", err)
	}
	seconds := int64(OutputTimeout.Seconds())
	merged.Spec.ActiveDeadlineSeconds = &seconds
	meta := ObjectMeta(l.Env, OutputReaderName)
	maps.Copy(meta.Labels, merged.Labels)
	meta.Annotations = merged.Annotations
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: KindPod}, ObjectMeta: meta, Spec: merged.Spec}, nil
}

// readerSettings are the application's settings, no matter who launches it, without those that ask for executors and for what follows the
// application.
func readerSettings(l Launch, extensions []Extension) map[string]string {
	s := settingsOf(byJob{}, l, extensions)
	maps.DeleteFunc(s, func(key, _ string) bool {
		return strings.HasPrefix(key, "spark.kubernetes.") || strings.HasPrefix(key, "spark.dynamicAllocation.") ||
			strings.HasPrefix(key, "spark.shuffle.") || strings.HasPrefix(key, "spark.eventLog.") ||
			slices.Contains([]string{deployMode, "spark.plugins", "spark.app.id", "spark.submit.pyFiles", "spark.archives",
				"spark.extraListeners"}, key)
	})
	s["spark.master"] = fmt.Sprintf("local[%d]", readerCores)
	s["spark.app.name"] = l.Workload.Application.Name + "-outputs"
	s["spark.sql.shuffle.partitions"] = "8" // of one JVM
	s["spark.log.level"] = "ERROR"          // container runtimes may put a line of the log into a long one of what the reader tells
	return s
}
