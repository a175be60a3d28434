package chaosmesh

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// BandwidthArgs are the arguments of bandwidth.
type BandwidthArgs struct {
	// Pod is the pod that sends slowly.
	Pod scenario.PodSelector `json:"pod"`
	// Rate is how much it can send, in bits a second.
	Rate string `json:"rate" pattern:"^[1-9][0-9]{0,3}(kbit|mbit)$" like:"1mbit"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *BandwidthArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

// fastestRate is the most that can be shown: pods send more than twice of it where nothing hinders them.
const fastestRate = 2_000_000 // bytes a second

func bandwidthKind() faults.Kind {
	return faults.Definition[BandwidthArgs]{
		Name:    "bandwidth",
		Doc:     "The bandwidth of everything that a pod sends is limited; needs tbf in the nodes' kernel.",
		Example: BandwidthArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Rate: "1mbit"},
		Effects: faults.Always[BandwidthArgs](history.Slows),
		Check:   checkBandwidth,
		ByChaosMesh: func(a BandwidthArgs) faults.Fault {
			rate, _ := bytesPerSecond(a.Rate) // checked
			return chaosFault{words: fmt.Sprintf("let %s send %s at most", a.Pod, a.Rate), pod: a.Pod,
				effect: bandwidthChaos{words: a.Rate, rate: rate}}
		},
	}.Kind()
}

func checkBandwidth(a BandwidthArgs) []string {
	problems := a.Pod.Problems("pod")
	rate, err := bytesPerSecond(a.Rate)
	switch {
	case err != nil:
		problems = append(problems, err.Error())
	case rate > fastestRate:
		problems = append(problems, fmt.Sprintf("rate is %s: at most %d mbit can be distinguished from what a pod sends by itself", a.Rate,
			fastestRate*8/1_000_000))
	}
	return problems
}

// bytesPerSecond reads a rate as tc writes it.
func bytesPerSecond(rate string) (float64, error) {
	for unit, bits := range map[string]float64{"kbit": 1e3, "mbit": 1e6} {
		if number, ok := strings.CutSuffix(rate, unit); ok {
			n, err := strconv.Atoi(number)
			if err == nil && n > 0 {
				return float64(n) * bits / 8, nil
			}
		}
	}
	return 0, fmt.Errorf("rate is %q: expected a whole number with its unit, kbit or mbit, like 1mbit", rate)
}

const (
	// bucket and backlog of the queue, in bytes: what may go out at once, and what waits.
	bucket, backlog = 16 << 10, 256 << 10
	// tooFast is how much more than the rate may be seen when it is held to: the bucket is emptied at once.
	tooFast = 1.5
	// floodHow says how a rate is looked at.
	floodHow = "datagrams to a closed port, sent from the pod's network namespace for a second, counted by its link"
)

// bandwidthChaos is NetworkChaos bandwidth of all that a pod sends. Towards single peers it would need prio, too.
type bandwidthChaos struct {
	words string
	rate  float64 // bytes a second
}

// Kind implements chaosEffect.
func (bandwidthChaos) Kind() string { return v1alpha1.KindNetworkChaos }

// OneShot implements chaosEffect.
func (bandwidthChaos) OneShot() bool { return false }

// Loud implements loudEffect: a look uses up what is left of the limit.
func (bandwidthChaos) Loud() {}

// Spec implements chaosEffect.
func (b bandwidthChaos) Spec(target chaosTarget) chaosmesh.Spec {
	return v1alpha1.NetworkChaosSpec{
		PodSelector: chaosmesh.Pods(target.Object.Namespace, target.Object.Name), Action: v1alpha1.BandwidthAction, Direction: v1alpha1.To,
		Duration:    durationOf(deadline),
		TcParameter: v1alpha1.TcParameter{Bandwidth: &v1alpha1.BandwidthSpec{Rate: b.words, Limit: backlog, Buffer: bucket}},
	}
}

// Preflight says what the kernels of the nodes lack.
func (bandwidthChaos) Preflight(ctx context.Context, env faults.Env) error {
	return haveQueues(ctx, env, "tbf")
}

// Before implements chaosEffect: the pod has to send faster now.
func (b bandwidthChaos) Before(ctx context.Context, env faults.Env, target *chaosTarget) error {
	rate, err := flood(ctx, env, *target)
	if err == nil && rate < 2*b.rate {
		err = fmt.Errorf("pod %s sends %s a second before anything is done: a limit of %s would not be seen", target.Object.Name, bytesOf(rate),
			bytesOf(b.rate))
	}
	return err
}

// Holds implements chaosEffect.
func (b bandwidthChaos) Holds(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	rate, err := flood(ctx, env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if rate > b.rate*tooFast {
		return cluster.Observation{}, faults.SeenInstead("pod %s sends %s a second, expected %s at most", target.Object.Name, bytesOf(rate),
			bytesOf(b.rate))
	}
	return cluster.Observation{What: fmt.Sprintf("the pod sends %s a second, however much there is to be sent", bytesOf(rate)), How: floodHow,
		At: env.Now()}, nil
}

// Over implements chaosEffect.
func (b bandwidthChaos) Over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	rate, err := flood(ctx, env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if rate < 2*b.rate {
		return cluster.Observation{}, fmt.Errorf("it is not over: pod %s sends %s a second", target.Object.Name, bytesOf(rate))
	}
	return cluster.Observation{What: fmt.Sprintf("the pod sends %s a second", bytesOf(rate)), How: floodHow, At: env.Now()}, nil
}

func bytesOf(rate float64) string { return fmt.Sprintf("%.0f kB", rate/1000) }

// flood sends all that it can from the pod's network namespace to its node for a second and returns how many bytes a second went out.
func flood(ctx context.Context, env faults.Env, target chaosTarget) (float64, error) {
	output, err := lookInside(ctx, env, target, "flood.sh", map[string]string{"port": strconv.Itoa(probePort)})
	if err != nil {
		return 0, fmt.Errorf("look how fast pod %s sends: %w", target.Object.Name, err)
	}
	return parseSent(output)
}

// parseSent reads what flood.sh printed, in bytes a second.
func parseSent(output string) (float64, error) {
	var sent, nanoseconds int64
	if _, err := fmt.Sscanf(output, "sent %d %d\n", &sent, &nanoseconds); err != nil || sent < 0 || nanoseconds <= 0 {
		return 0, fmt.Errorf("answer of a probe %q: expected \"sent BYTES NANOSECONDS\"", output)
	}
	return float64(sent) / (float64(nanoseconds) / float64(time.Second)), nil
}
