package cluster

// Refusal explains why an action makes no sense for a node in its present state; empty if it does.
func (a Action) Refusal(n Node) string {
	switch {
	case a == PowerOn && n.Power == On:
		return "it is on already"
	case a != PowerOn && n.Power == Off:
		return "it is off"
	case n.Frozen && a.asksTheNode():
		return "it is frozen: thaw it first, or power it off"
	case a == Thaw && !n.Frozen:
		return "it is not frozen"
	case a == Isolate && n.Isolated:
		return "it is isolated already"
	case a == Rejoin && !n.Isolated:
		return "it is not isolated"
	case a == KubeletStop && !n.Kubelet:
		return "its kubelet is stopped already"
	case a == KubeletStart && n.Kubelet:
		return "its kubelet runs already"
	default:
		return ""
	}
}

// asksTheNode reports whether the action needs an answer of the node's own processes, or stops them a second time.
func (a Action) asksTheNode() bool {
	return a == Shutdown || a == Freeze || a == KubeletStop || a == KubeletStart
}

// InEffect reports whether a node is in the state that the action causes. An action that only undoes another one causes none.
func (a Action) InEffect(n Node) bool {
	switch a {
	case PowerOff, Shutdown:
		return n.Power == Off
	case Freeze:
		return n.Frozen
	case Isolate:
		return n.Isolated
	case KubeletStop:
		return n.Power == On && !n.Kubelet
	default:
		return false
	}
}

// Achieved reports whether a node is as the action makes it. before is the node as it was before the action: a machine that was powered
// on again has another boot ID, where boot IDs are known.
func (a Action) Achieved(before, now Node) bool {
	ended, undoes := a.Undoes()
	if !undoes {
		return a.InEffect(now)
	}
	if ended.InEffect(now) {
		return false
	}
	return a != PowerOn || now.BootID == "" || now.BootID != before.BootID
}
