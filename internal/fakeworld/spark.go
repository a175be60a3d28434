package fakeworld

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// Script says what an application does. Nil functions let it continue.
type Script struct {
	// Working is called when a driver has executors and has done its first tasks; it commits its result when the call returns.
	// incarnation counts from 1.
	Working func(ctx context.Context, namespace string, incarnation int)
	// Fails reports whether a driver ends without success once it has done its tasks.
	Fails func(incarnation int) bool
	// Outputs returns the log of the pod that reads the application's outputs.
	Outputs func(namespace string) string
	// Idle lets all pods do nothing, for a world that nobody observes.
	Idle bool
}

const (
	executors = 2
	taskTime  = 20 * time.Millisecond
	beatEvery = 100 * time.Millisecond
	result    = "sha256:feed"
)

// process is a JVM in a pod.
type process struct {
	world       *World
	pod         *corev1.Pod
	node        string
	incarnation int // of a driver
	driver      *process
	registered  chan string // executors tell their driver
	succeeded   atomic.Bool
	stop        context.CancelFunc
	done        chan struct{}
	report      *reporter
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// start begins what runs in a pod.
func (w *World) start(pod *corev1.Pod) *process {
	ctx, stop := context.WithCancel(context.Background())
	p := &process{
		world: w, pod: pod, node: pod.Spec.NodeName,
		stop: stop, done: make(chan struct{}), registered: make(chan string, executors),
	}
	main := func(ctx context.Context) bool {
		<-ctx.Done()
		return false
	}
	owner := types.UID(pod.Namespace) // of bare pods, of which each namespace has one at a time
	if by := metav1.GetControllerOf(pod); by != nil {
		owner = by.UID
	}
	switch role := pod.Labels[launcher.RoleLabel]; {
	case role == launcher.RoleOutputReader:
		main = func(context.Context) bool { return true }
	case w.script.Idle:
	case role == launcher.RoleSubmitter:
		main = p.submit
	case role == launcher.RoleDriver:
		w.incarnations[owner]++
		p.incarnation = w.incarnations[owner]
		main = p.drive
	case role == launcher.RoleExecutor:
		p.driver = w.processes[owner]
		main = p.execute
	}
	go func() {
		defer close(p.done)
		defer stop()
		p.succeeded.Store(main(ctx))
	}()
	return p
}

// submit is spark-submit in cluster mode: it makes the driver's pod from its template, and a ConfigMap with the executors'.
func (p *process) submit(context.Context) bool {
	const driver, executor = "driver-pod-template.yaml", "executor-pod-template.yaml"
	args := p.pod.Spec.Containers[0].Args
	object, err := p.world.API.Get(fakekube.ConfigMaps(), p.pod.Namespace, p.pod.Spec.Volumes[0].ConfigMap.Name)
	if err != nil {
		return false
	}
	templates := typed[corev1.ConfigMap](object).Data
	pod := &corev1.Pod{}
	if err := yaml.Unmarshal([]byte(templates[driver]), pod); err != nil {
		return false
	}
	pod.Name, pod.Namespace = value(args, "spark.kubernetes.driver.pod.name="), p.pod.Namespace
	return p.world.makeDriver(pod, args, templates[executor]) == nil
}

// makeDriver makes a driver's pod in cluster mode, with a ConfigMap that holds the executors' template.
func (w *World) makeDriver(pod *corev1.Pod, args []string, executor string) error {
	pod.Spec.Containers[0].Args = args
	made := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: pod.Name + "-", Namespace: pod.Namespace}, Data: map[string]string{"template": executor},
	}
	object, err := w.API.Create(fakekube.ConfigMaps(), untyped(made))
	if err != nil {
		return err
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "podspec", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: object.GetName()}},
	}})
	return makeObject(w.API, fakekube.Pods(), pod)
}

// drive is Spark's driver. It returns whether the application did its work.
func (p *process) drive(ctx context.Context) bool {
	p.report = newReporter(p, history.WitnessRecord{
		Role: launcher.RoleDriver, Incarnation: string(p.pod.UID), AppID: fmt.Sprintf("spark-%s", p.pod.UID),
	})
	defer p.report.beat(ctx)()
	p.report.tell(ctx, history.WitnessRecord{Type: history.ApplicationStarted})
	p.report.tell(ctx, history.WitnessRecord{Type: history.DriverStarted})
	for n := range executors {
		if err := p.makeExecutor(strconv.Itoa(n + 1)); err != nil {
			return false
		}
	}
	for range executors {
		select {
		case <-ctx.Done():
			return false
		case id := <-p.registered:
			p.report.tell(ctx, history.WitnessRecord{Type: history.ExecutorRegistered, ExecutorID: id})
		}
	}
	for n := range 3 {
		task := int64(n)
		sleep(ctx, tick)
		p.report.tell(ctx, history.WitnessRecord{
			Type: history.TaskEnded, ExecutorID: "1", TaskID: &task, Detail: map[string]string{"reason": "Success"},
		})
	}
	if p.world.script.Working != nil {
		p.world.script.Working(ctx, p.pod.Namespace, p.incarnation)
	}
	if ctx.Err() != nil || p.world.script.Fails != nil && p.world.script.Fails(p.incarnation) {
		return false
	}
	p.report.tell(ctx, history.WitnessRecord{Type: history.Ledger, Detail: map[string]string{"key": "wordcount", "value": result}})
	p.report.tell(ctx, history.WitnessRecord{Type: history.JobEnded, Detail: map[string]string{"result": "succeeded"}})
	p.report.tell(ctx, history.WitnessRecord{Type: history.ApplicationEnded})
	for n := range executors {
		_ = p.world.API.Delete(fakekube.Pods(), p.pod.Namespace, p.executorName(strconv.Itoa(n+1)), metav1.DeleteOptions{}) // it may be gone
	}
	p.report.tell(ctx, history.WitnessRecord{Type: history.DriverStopping})
	return ctx.Err() == nil
}

func (p *process) executorName(id string) string { return p.pod.Name + "-exec-" + id }

// makeExecutor creates an executor's pod from the template that the launcher made, as Spark does.
func (p *process) makeExecutor(id string) error {
	pod := &corev1.Pod{}
	for _, volume := range p.pod.Spec.Volumes {
		if volume.ConfigMap == nil {
			continue
		}
		object, err := p.world.API.Get(fakekube.ConfigMaps(), p.pod.Namespace, volume.ConfigMap.Name)
		if err != nil {
			return err
		}
		for _, template := range typed[corev1.ConfigMap](object).Data {
			if err := yaml.Unmarshal([]byte(template), pod); err != nil {
				return err
			}
		}
	}
	pod.Name, pod.Namespace = p.executorName(id), p.pod.Namespace
	pod.Labels[history.SparkRoleLabel], pod.Labels["spark-exec-id"] = history.RoleExecutor, id
	pod.Labels["spark-app-selector"] = p.report.self.AppID
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(p.pod, corev1.SchemeGroupVersion.WithKind("Pod"))}
	return makeObject(p.world.API, fakekube.Pods(), pod)
}

// execute is Spark's executor, which ends when its driver is gone.
func (p *process) execute(ctx context.Context) bool {
	if p.driver == nil || p.driver.report == nil {
		return false
	}
	id := p.pod.Labels["spark-exec-id"]
	p.report = newReporter(p, history.WitnessRecord{
		Role: launcher.RoleExecutor, Incarnation: string(p.driver.pod.UID), AppID: p.pod.Labels["spark-app-selector"], ExecutorID: id,
	})
	defer p.report.beat(ctx)()
	p.report.tell(ctx, history.WitnessRecord{Type: history.ExecutorStarted})
	p.driver.registered <- id
	select {
	case <-ctx.Done():
	case <-p.driver.done:
	}
	p.report.tell(ctx, history.WitnessRecord{Type: history.ExecutorStopping})
	return false
}

// reporter is the witness plugin in a JVM: what it tells goes to the node's own disk first, and then to the harness.
type reporter struct {
	self       history.WitnessRecord
	url, token string

	mu   sync.Mutex
	seq  int64
	file string
}

func newReporter(p *process, self history.WitnessRecord) *reporter {
	self.PodUID, self.PodName, self.Node = string(p.pod.UID), p.pod.Name, p.node
	driver := p.pod
	if p.driver != nil {
		driver = p.driver.pod // an executor has its driver's settings
	}
	r := &reporter{self: self}
	for _, container := range driver.Spec.Containers {
		r.url = value(container.Args, "spark.sparkchaos.witness.url=")
		for _, variable := range container.Env {
			if variable.Name == witness.TokenVariable {
				r.token = p.world.secret(driver.Namespace, variable.ValueFrom.SecretKeyRef)
			}
		}
	}
	for _, volume := range p.pod.Spec.Volumes {
		if volume.Name == "witness" && volume.HostPath != nil {
			name := fmt.Sprintf("%s-%d%s", self.PodUID, time.Now().UnixMilli(), witness.FileSuffix)
			r.file = filepath.Join(p.world.disks, p.node, volume.HostPath.Path, name)
		}
	}
	return r
}

func (w *World) secret(namespace string, from *corev1.SecretKeySelector) string {
	object, err := w.API.Get(fakekube.Secrets(), namespace, from.Name)
	if err != nil {
		return ""
	}
	return string(typed[corev1.Secret](object).Data[from.Key])
}

// tell reports one record. A JVM that has ended tells nothing.
func (r *reporter) tell(ctx context.Context, record history.WitnessRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	r.seq++
	record.Seq, record.WallMicros = r.seq, time.Now().UnixMicro()
	record.Role, record.PodUID, record.PodName, record.Node = r.self.Role, r.self.PodUID, r.self.PodName, r.self.Node
	record.AppID, record.Incarnation = r.self.AppID, r.self.Incarnation
	if record.ExecutorID == "" {
		record.ExecutorID = r.self.ExecutorID
	}
	line, err := json.Marshal(record)
	if err != nil {
		panic(fmt.Sprintf("encode a record: %v", err))
	}
	line = append(line, '\n')
	// The directory may be gone at the end of a run.
	if file, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		_, _ = file.Write(line)
		_ = file.Close()
	}
	r.post(ctx, line)
}

// post sends a record; nobody may listen any more.
func (r *reporter) post(ctx context.Context, line []byte) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+witness.RecordsPath, bytes.NewReader(line))
	if err != nil {
		panic(fmt.Sprintf("the witness's address: %v", err))
	}
	witness.Authorize(request, r.token)
	if answer, err := http.DefaultClient.Do(request); err == nil {
		_ = answer.Body.Close()
	}
}

// beat gives signs of life until the returned function is called.
func (r *reporter) beat(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		for ctx.Err() == nil {
			r.tell(ctx, history.WitnessRecord{Type: history.Heartbeat})
			sleep(ctx, beatEvery)
		}
	})
	return func() {
		cancel()
		beating.Wait()
	}
}

// isOf reports whether a process runs on a node.
func isOf(node string) func(*process) bool {
	return func(p *process) bool { return p.node == node }
}
