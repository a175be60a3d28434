package cluster

import (
	"fmt"
	"time"
)

// Timing decides how soon a cluster notices a dead node. Its knobs are Kubernetes' own, by their names there.
type Timing struct {
	Name                      string        `json:"name"`                      // fast, production or custom
	NodeStatusUpdateFrequency time.Duration `json:"nodeStatusUpdateFrequency"` // kubelet: how often it computes its status
	NodeLeaseDuration         time.Duration `json:"nodeLeaseDuration"`         // kubelet: its lease, renewed each quarter of it
	NodeMonitorPeriod         time.Duration `json:"nodeMonitorPeriod"`         // controller manager: how often it looks
	NodeMonitorGracePeriod    time.Duration `json:"nodeMonitorGracePeriod"`    // controller manager: silence after which a node is not ready
}

// Fast notices a dead node in about four seconds.
func Fast() Timing {
	return Timing{Name: "fast", NodeStatusUpdateFrequency: time.Second, NodeLeaseDuration: 4 * time.Second,
		NodeMonitorPeriod: 500 * time.Millisecond, NodeMonitorGracePeriod: 4 * time.Second}
}

// Production has Kubernetes' defaults, with which a dead node is noticed in about 45 seconds.
func Production() Timing {
	return Timing{Name: "production", NodeStatusUpdateFrequency: 10 * time.Second, NodeLeaseDuration: 40 * time.Second,
		NodeMonitorPeriod: 5 * time.Second, NodeMonitorGracePeriod: 50 * time.Second}
}

// NamedTiming returns the timing with a name.
func NamedTiming(name string) (Timing, error) {
	for _, timing := range []Timing{Fast(), Production()} {
		if timing.Name == name {
			return timing, nil
		}
	}
	return Timing{}, fmt.Errorf("no timing is called %q: expected fast or production", name)
}
