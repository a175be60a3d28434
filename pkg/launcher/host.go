package launcher

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// Machine is what the harness offers to components before there is a cluster.
type Machine struct {
	Workload  scenario.Workload
	Seed      uint64                                                   // of the run
	Directory string                                                   // of the run, for files that nobody else can read
	Artifact  func(ctx context.Context, name string) (*os.File, error) // opens a file that the scenario names
}

// Preflighter is a component that prepares something on this machine before there is a cluster.
type Preflighter interface {
	// Preflight returns the component with what it prepared.
	Preflight(ctx context.Context, m Machine) (Component, error)
}

// Fingerprinter is a component whose content affects what an application computes.
type Fingerprinter interface {
	// Fingerprint returns a digest of the content in hexadecimal, after Preflight; empty if there is none.
	Fingerprint() (string, error)
}

// VariableReader is a component that is given values of the harness's environment.
type VariableReader interface {
	// Variables returns the names of the variables, and the path of the field that lists them in a scenario.
	Variables(w scenario.Workload) (path string, names []string)
}

// PodImageUser is a component whose pods run the harness's own program.
type PodImageUser interface {
	// UsesPodImage reports whether a workload needs Environment.PodImage.
	UsesPodImage(w scenario.Workload) bool
}

// WitnessHost is a component to which pods report if they cannot reach the harness. It serves them what a Server serves to others.
type WitnessHost interface {
	// Witness returns where the pods of a namespace report to, and what else the component serves to them. The seed is the run's.
	Witness(namespace string, seed uint64) Provision
}

// Provision adds to an environment what a component provides to the pods of a workload.
type Provision func(*Environment)

// Server is a component that the harness itself serves to the pods of a workload, if these reach it.
type Server interface {
	// Serve begins to serve, and returns how pods find it.
	Serve(ctx context.Context, s Serving) (Provision, error)
}

// Serving is what the harness offers to a Server.
type Serving struct {
	Seed uint64 // of the run
	// Listen opens an address of this machine that pods reach.
	Listen func(context.Context) (net.Listener, error)
	// Background runs a function in the background; its context ends when the records of the workload are collected.
	Background func(do func(context.Context) error)
}

// Seeded is a component by which what a workload computes may depend on the seed of the run.
type Seeded interface {
	// UsesSeed reports whether it does.
	UsesSeed(w scenario.Workload) bool
}

// Progress shows a person what happens; see runner.Progress.
type Progress interface {
	Say(format string, args ...any)
	Await(what string, atMost time.Duration, seen func() string) (done func())
}

// Host is what the harness offers to the parts of a workload while it lives.
type Host struct {
	Client     kubernetes.Interface
	RESTConfig func() (*rest.Config, error)
	Env        Environment
	Token      string         // that the witness wants
	Inbox      *witness.Inbox // takes in what the witness hears
	Progress   Progress
	Record     func(source history.Source, eventType string, data any) error // appends to the history
	Problem    func(history.ProblemData)                                     // records a trouble that may have cost evidence
	// Background runs a function in the background; its context ends when the records of the workload are collected.
	Background func(do func(context.Context) error)
}

// ReadyPods returns the run's pods of a role that are ready and not being deleted, in the order of their names.
func (h *Host) ReadyPods(ctx context.Context, role string) ([]corev1.Pod, error) {
	pods, err := h.Client.CoreV1().Pods(h.Env.Namespace).List(ctx, metav1.ListOptions{LabelSelector: RoleLabel + "=" + role})
	if err != nil {
		return nil, fmt.Errorf("look for pods with the role %s: %w", role, err)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil || !ready(pod) }), nil
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Forward opens a port on this machine that leads to a port of one of the run's pods; see Forward.
func (h *Host) Forward(ctx context.Context, pod string, port int) (address string, closePort func(), err error) {
	config, err := h.RESTConfig()
	if err != nil {
		return "", nil, err
	}
	return Forward(ctx, config, h.Client, h.Env.Namespace, pod, port)
}
