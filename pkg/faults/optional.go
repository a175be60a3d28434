package faults

import (
	"context"
	"time"
)

// A fault may implement the following interfaces beside Fault. Each family asserts in its family.go which of its faults do: a method whose
// name is misspelt would switch the behaviour off.

// Patient is a Fault that may need more time to take effect than Env.LandWithin, such as the grace period of a pod.
type Patient interface {
	// Patience returns the time that the target may take beyond that.
	Patience(target Target) time.Duration
}

// Sparing is a Fault that may leave alone what runs on its target.
type Sparing interface {
	// LeavesRunning reports whether no pod is affected.
	LeavesRunning() bool
}

// Careful is a Fault that can find out whether the cluster lacks something that it needs.
type Careful interface {
	// Preflight returns what would keep the fault from landing, before anything is started; nil if nothing is known to.
	Preflight(ctx context.Context, env Env) error
}

// Lasting is a Fault that can be asked whether it is still in effect.
type Lasting interface {
	// Holding returns what is seen instead of the effect; nil if the effect is seen, or nothing can be seen.
	Holding(ctx context.Context, env Env, target Target) error
	// Loud reports whether a look disturbs what it looks at, so that it is to be made once, before the recovery.
	Loud() bool
}
