package scenario

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// The named timings.
const (
	TimingFast       = "fast"       // a dead node is noticed within about 4 s
	TimingProduction = "production" // Kubernetes' own defaults
)

// The kinds of drivers.
const (
	DriverJob = "Job"
	DriverPod = "Pod"
)

// When a Job replaces the driver's pod.
const (
	TerminatingOrFailed = "TerminatingOrFailed"
	Failed              = "Failed"
)

// The kinds of storage in which drivers and executors keep checkpoints and results.
const (
	StorageShared = "shared" // a volume that all nodes see and that survives the loss of any
	StorageLocal  = "local"  // a volume on one node's disk: pods that mount it have to run there
	StorageNode   = "node"   // a directory on each node's own disk, another one on each
)

// The anchors that await a step of another fault: the order of a scenario's steps follows from them.
const (
	AnchorFaultLanded    = "faultLanded"
	AnchorFaultRecovered = "faultRecovered"
)

// The defaults of a scenario.
const (
	defaultWorkers           = 3
	defaultBackoffLimit      = 6
	defaultTolerationSeconds = 2
	defaultInstances         = 2
	defaultMemory            = "512m"
	defaultRequest           = "0.5"
	defaultSettle            = 2 * time.Minute
	defaultProfile           = ProfileResilient
	defaultDisk              = StorageShared
)

// Default fills in whatever a scenario does not say, but for what the catalogue knows and the seed decides.
func Default(s *Scenario) {
	fill(&s.Spec.Cluster.Workers, defaultWorkers)
	if s.Spec.Cluster.Timing == (Timing{}) {
		s.Spec.Cluster.Timing.Name = TimingFast
	}
	fill(&s.Spec.Settle, Duration(defaultSettle))
	if s.Spec.Workload.Attached() {
		launchOf(s.Spec.Workload).fill(&s.Spec.Workload)
		return
	}
	defaultDriver(&s.Spec.Workload.Driver)
	launchOf(s.Spec.Workload).fill(&s.Spec.Workload)
	executors := &s.Spec.Workload.Executors
	fill(&executors.Instances, defaultInstances)
	fill(&executors.Cores, 1)
	fill(&executors.RequestCores, defaultRequest)
	fill(&executors.Memory, defaultMemory)
	fillPointer(&executors.TolerationSeconds, defaultTolerationSeconds)
	for _, c := range components() {
		c.fill(&s.Spec.Workload)
	}
	fill(&s.Spec.Workload.Storage, defaultDisk)
	s.Spec.Workload.Output = defaultOutputs(s.Spec.Workload.Output)
	fill(&s.Spec.Workload.Profile, defaultProfile)
	applyProfile(&s.Spec.Workload)
}

func defaultDriver(driver *Driver) {
	fill(&driver.Memory, defaultMemory)
	fill(&driver.Cores, defaultRequest)
	fillPointer(&driver.TolerationSeconds, defaultTolerationSeconds)
}

// Resolve returns the knobs that a timing stands for, each of them set.
func (t Timing) Resolve() Knobs {
	named := cluster.Production()
	if t.Name == TimingFast {
		named = cluster.Fast()
	}
	knobs := knobsOf(named)
	if t.Knobs == nil {
		return knobs
	}
	given := *t.Knobs
	fill(&given.NodeStatusUpdateFrequency, knobs.NodeStatusUpdateFrequency)
	fill(&given.NodeLeaseDuration, knobs.NodeLeaseDuration)
	fill(&given.NodeMonitorPeriod, knobs.NodeMonitorPeriod)
	fill(&given.NodeMonitorGracePeriod, knobs.NodeMonitorGracePeriod)
	return given
}

func knobsOf(t cluster.Timing) Knobs {
	return Knobs{
		NodeStatusUpdateFrequency: Duration(t.NodeStatusUpdateFrequency),
		NodeLeaseDuration:         Duration(t.NodeLeaseDuration),
		NodeMonitorPeriod:         Duration(t.NodeMonitorPeriod),
		NodeMonitorGracePeriod:    Duration(t.NodeMonitorGracePeriod),
	}
}

// Timing returns the knobs as the timing of a cluster, by a name.
func (k Knobs) Timing(name string) cluster.Timing {
	return cluster.Timing{
		Name:                      name,
		NodeStatusUpdateFrequency: time.Duration(k.NodeStatusUpdateFrequency),
		NodeLeaseDuration:         time.Duration(k.NodeLeaseDuration),
		NodeMonitorPeriod:         time.Duration(k.NodeMonitorPeriod),
		NodeMonitorGracePeriod:    time.Duration(k.NodeMonitorGracePeriod),
	}
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func fillPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
