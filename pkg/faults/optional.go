package faults

import (
	"context"
	"time"
)

// Patient is a Fault whose target may need more time to be struck than Env.LandWithin, such as the grace period of a pod.
type Patient interface {
	// Patience returns the time that the target may take beyond that.
	Patience(target Target) time.Duration
}

// Sparing is a Fault that may leave alone what runs on its target.
type Sparing interface {
	// LeavesRunning reports whether no pod is struck.
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

// carefulEffect is a chaosEffect that the kernels of the nodes may not be able to bring about.
type carefulEffect interface {
	// Preflight is that of Careful.
	Preflight(ctx context.Context, env Env) error
}

// loudEffect is a chaosEffect that is disturbed by each look at it.
type loudEffect interface{ Loud() }

// What a fault implements of these is asserted here: a method whose name is misspelt would switch the behaviour off.
var (
	_ Patient = nodeFault{}
	_ Patient = cloudStop{}
	_ Patient = nodeDrain{}
	_ Patient = nodeTaint{}
	_ Patient = nodeOutOfService{}
	_ Patient = podKill{}
	_ Patient = podEvict{}

	_ Sparing = nodeCordon{}
	_ Sparing = nodeTaint{}

	_ Careful = chaosFault{}
	_ Lasting = chaosFault{}

	_ carefulEffect = networkChaos{}
	_ carefulEffect = bandwidthChaos{}
	_ loudEffect    = bandwidthChaos{}
)
