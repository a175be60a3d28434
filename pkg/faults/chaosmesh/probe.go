package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// probePort is one that nobody serves: a reachable host refuses at once, one that is cut off does not answer.
const probePort = 9

// silentAfter is how long an answer is awaited; a refusal takes a millisecond.
const silentAfter = time.Second

// probeHow says how a probe looks at the network between two pods.
const probeHow = "connections from the network namespace of the one pod to a closed port of the other, made beside the pods"

// answers is what came of some probes.
type answers struct {
	silent    int
	roundTrip []time.Duration // of those that were answered
}

// median returns the middle one of the round trips.
func (a answers) median() time.Duration {
	if len(a.roundTrip) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(a.roundTrip))
	return sorted[len(sorted)/2]
}

// probe asks the peer several times from the target's network namespace.
func probe(ctx context.Context, env faults.Env, target chaosTarget, times int) (answers, error) {
	output, err := lookInside(ctx, env, target, "connect.sh", map[string]string{
		"times": strconv.Itoa(times), "silent_after": fmt.Sprint(silentAfter.Seconds()), "peer": target.Peer.Address,
		"port": strconv.Itoa(probePort),
	})
	if err != nil {
		return answers{}, fmt.Errorf("look at the network from pod %s to %s: %w", target.Object.Name, target.Peer.Address, err)
	}
	return parseAnswers(output)
}

// parseAnswers reads what connect.sh printed.
func parseAnswers(output string) (answers, error) {
	var a answers
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && fields[0] == "silent":
			a.silent++
		case len(fields) == 2 && fields[0] == "answered":
			nanoseconds, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return a, fmt.Errorf("answer of a probe %q: %w", line, err)
			}
			a.roundTrip = append(a.roundTrip, time.Duration(nanoseconds))
		default:
			return a, fmt.Errorf("answer of a probe %q: expected \"silent\" or \"answered NANOSECONDS\"", line)
		}
	}
	if a.silent+len(a.roundTrip) == 0 {
		return a, errors.New("the probe said nothing")
	}
	return a, nil
}
