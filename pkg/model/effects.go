package model

import (
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Short names of the effects of faults.
const (
	endsProcesses = history.EndsProcesses
	endsPods      = history.EndsPods
	cutsNetwork   = history.CutsNetwork
	pauses        = history.Pauses
	slows         = history.Slows
	skews         = history.SkewsClock
	silences      = history.SilencesNode
	marks         = history.MarksNode
)

// effectsOf returns what a kind of fault does, for histories whose faults do not say it themselves.
func effectsOf(kind string) []history.Effect {
	switch kind {
	case "nodePowerOff", "nodeOutOfService", "nodeShutdown", "spotInterruption":
		return []history.Effect{endsProcesses, endsPods}
	case "containerKill", "podFailure":
		return []history.Effect{endsProcesses}
	case "nodeIsolate", "networkPartition":
		return []history.Effect{cutsNetwork}
	case "nodeFreeze":
		return []history.Effect{pauses}
	case "kubeletStop":
		return []history.Effect{silences}
	case "nodeDrain", "nodeTaint", "nodeDelete", "podKill", "podEvict":
		return []history.Effect{endsPods}
	case "nodeCordon":
		return []history.Effect{marks}
	case "networkDelay", "networkLoss", "bandwidth", "cpuStress", "memoryStress":
		return []history.Effect{slows}
	case "clockSkew":
		return []history.Effect{skews}
	default:
		return nil
	}
}

func (f *Fault) effects() []history.Effect {
	if len(f.Effects) > 0 {
		return f.Effects
	}
	return effectsOf(f.Kind)
}

// does reports whether the fault has an effect.
func (f *Fault) does(effect history.Effect) bool { return slices.Contains(f.effects(), effect) }

// afterwards is how long after a fault that only slows was undone what ends may still have ended because of it.
const afterwards = 5 * time.Second

// Cost returns when a fault cost a pod that it hit: its processes ended or nobody counts on it any more. Never if it lived on, or
// ended in an orderly way at orderly. p is the pod's JVM, nil if it never reported.
func (m *Model) Cost(f *Fault, pod *Pod, p *Process, orderly Moment) Moment {
	if f.Landed.Never() || pod == nil || !f.Hits(pod.UID, pod.Node) {
		return Moment{}
	}
	var lost Moment
	ended := pod.endedBadly(f.Began.At)
	silent := p != nil && len(p.Alive) > 0 && !p.Alive.Last().At.After(f.Landed.At.Add(StillAlive+m.Slack(p)))
	switch {
	case f.does(endsProcesses) && (p == nil || len(p.Alive) == 0 || silent):
		lost = f.Began
		if p != nil && len(p.Alive) > 0 && p.Alive.Last().At.After(f.Began.At) {
			lost = p.Alive.Last()
		}
	case f.does(endsProcesses) && !f.does(endsPods):
		// It ended another process of the pod, or the process was started again in place.
	case f.does(endsProcesses), f.does(endsPods), f.does(cutsNetwork), f.does(pauses), f.does(silences):
		lost = ended
	case f.does(slows) && !ended.Never() && ended.At.Before(f.Until().Add(afterwards)):
		lost = ended
	}
	if !lost.Never() && !orderly.Never() && orderly.Before(lost) {
		return Moment{}
	}
	return lost
}

// endedBadly returns when the pod was marked for deletion or ended, not before since; Never if it went on to a good end.
func (p *Pod) endedBadly(since time.Time) Moment {
	ended := p.EndedSince(since)
	if p.Succeeded && ended == p.Finished && (p.Terminating.Never() || p.Finished.Before(p.Terminating)) {
		return Moment{}
	}
	return ended
}

// SilencesNode reports whether Kubernetes sees the fault as a node that is not Ready any more. Where pods alone are taken away, nothing
// is to be detected on the node.
func (f *Fault) SilencesNode() bool {
	return f.does(endsProcesses) || f.does(cutsNetwork) || f.does(pauses) || f.does(silences)
}
