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

// Takes reports whether the fault may take what it hits away from the application: it ends it, or nobody can count on it any more. Others
// make it slow, change its clock or mark it.
func (f *Fault) Takes() bool {
	return f.does(endsPods) || f.SilencesNode()
}

// Does reports whether the fault has an effect.
func (f *Fault) Does(effect history.Effect) bool { return f.does(effect) }

// does reports whether the fault has an effect.
func (f *Fault) does(effect history.Effect) bool { return slices.Contains(f.effects(), effect) }

// mayDo reports whether the fault has an effect, or may have it: a fault that says nothing of its effects may have any.
func (f *Fault) mayDo(effect history.Effect) bool { return f.does(effect) || len(f.effects()) == 0 }

// afterwards is how long after a fault was undone what ends may still have ended because of it.
const afterwards = 5 * time.Second

// Cost returns when a fault cost a pod that it hit: its processes ended or nobody counts on it any more. Never if it lived on, ended in
// an orderly way at orderly, or ended by itself when the fault was over. p is the pod's JVM, nil if it never reported.
func (m *Model) Cost(f *Fault, pod *Pod, p *Process, orderly Moment) Moment {
	if f.Landed.Never() || pod == nil || !f.Hits(pod.UID, pod.Node) {
		return Moment{}
	}
	var lost Moment
	silent := p != nil && len(p.Alive) > 0 && !p.Alive.Last().At.After(f.Landed.At.Add(StillAlive+m.Slack(p)))
	switch {
	case f.does(endsProcesses) && (p == nil || len(p.Alive) == 0 || silent):
		lost = f.Began
		if p != nil && len(p.Alive) > 0 && p.Alive.Last().At.After(f.Began.At) {
			lost = p.Alive.Last()
		}
	case f.does(endsProcesses) && !f.does(endsPods):
		// It ended another process of the pod, or the process was started again in place.
	case f.does(endsProcesses), f.does(cutsNetwork), f.does(pauses), f.does(silences), f.does(slows):
		lost = pod.endedBadly(f.Began.At)
	case f.does(endsPods):
		lost = pod.takenAway(f.Began.At)
	}
	if lost.Never() || !m.mayStillCost(f, pod, p, lost) || !orderly.Never() && orderly.Before(lost) {
		return Moment{}
	}
	return lost
}

// mayStillCost reports whether a loss may be the doing of a fault: the fault was in effect or just undone, or what it did to the node or
// to the process lasted until then.
func (m *Model) mayStillCost(f *Fault, pod *Pod, p *Process, lost Moment) bool {
	over := f.Until().Add(afterwards)
	switch {
	case !lost.At.After(over):
		return true
	case f.SilencesNode() && m.Nodes[pod.Node].lostTo(f.Began.At, over, lost.At.Add(-afterwards)):
		return true
	default: // it never came back from where the fault had left it
		return f.SilencesNode() && p != nil && len(p.Alive) > 0 && p.Alive.Last().At.Before(f.Until())
	}
}

// endedBadly returns when the pod was marked for deletion or ended, not before since; Never if it continued to a good end.
func (p *Pod) endedBadly(since time.Time) Moment {
	ended := p.EndedSince(since)
	if p.Succeeded && ended == p.Finished && (p.Terminating.Never() || p.Finished.Before(p.Terminating)) {
		return Moment{}
	}
	return ended
}

// takenAway returns when somebody took the pod away, not before since. Never if nobody did, or only when it had ended by itself.
func (p *Pod) takenAway(since time.Time) Moment {
	ended := p.endedBadly(since)
	byItself := ended == p.Finished && p.Disrupted == "" && (p.Terminating.Never() || p.Finished.At.Before(p.Terminating.At))
	if byItself && (p.Deleted.Never() || p.Finished.At.Before(p.Deleted.At)) {
		return Moment{}
	}
	return ended
}

// MaySilence reports whether a fault may make a node look lost: it silences it, or starves its kubelet, or does not say what it does.
func (f *Fault) MaySilence() bool { return f.SilencesNode() || f.mayDo(slows) }

// SilencesNode reports whether Kubernetes sees the fault as a node that is not Ready any more. Where pods alone are taken away, nothing
// is to be detected on the node.
func (f *Fault) SilencesNode() bool {
	return f.does(endsProcesses) || f.does(cutsNetwork) || f.does(pauses) || f.does(silences)
}
