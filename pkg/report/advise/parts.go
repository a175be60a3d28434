package advise

import (
	"fmt"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// The names of what is no phase of recoveryWithin.
const (
	delayNoticed = "loss noticed by Spark"
	delayStale   = "stale executors"
	delayObject  = "object of the lost pod"
)

// The values that are proposed where a setting makes a recovery slow.
const (
	proposedGrace      = 20 * time.Second
	proposedLease      = 16 * time.Second // renewed each 4 s, so that a node has to miss five renewals
	proposedMonitor    = 2 * time.Second
	proposedToleration = 5 * time.Second
	proposedTimeout    = 20 * time.Second
	proposedInterval   = 2 * time.Second
)

// slack is how much longer than by its setting alone a phase takes that ends with an event of the API server.
const slack = time.Second

// silent reports whether the fault makes a node fall silent.
func (r recovery) silent() bool { return r.fault.Node() != "" && r.fault.SilencesNode() }

// detection is governed by the node controller where a node fell silent.
func detection(r recovery) (part, bool) {
	d, there := r.delay("detection")
	if !there {
		return part{}, false
	}
	if !r.silent() {
		d.Why = "The driver learns of the end of an executor from the broken connection or from its watch of the pods, and looks at " +
			"what it learned every second; no time-out is waited for."
		return part{delay: d}, true
	}
	knobs := r.set.Cluster.Knobs
	grace, lease, period := time.Duration(knobs.NodeMonitorGracePeriod), time.Duration(knobs.NodeLeaseDuration),
		time.Duration(knobs.NodeMonitorPeriod)
	if grace == 0 {
		d.Settings = []Setting{{Name: "kube-controller-manager --node-monitor-grace-period"}, {Name: "kubelet nodeLeaseDurationSeconds"}}
		d.Why = "The node controller waits for the node's lease to be renewed, for a time that the record does not name."
		return part{delay: d}, true
	}
	d.Settings = []Setting{
		{Name: "kube-controller-manager --node-monitor-grace-period", Value: grace.String()},
		{Name: "--node-monitor-period", Value: period.String()},
		{Name: "kubelet nodeLeaseDurationSeconds", Value: lease.String()},
	}
	d.Expected = detectedIn(grace, lease, period)
	d.Why = fmt.Sprintf(
		"The node controller takes a node for dead when its lease, renewed every %s, was not renewed for %s; it looks every %s.",
		wording.Duration(lease/4), grace, period)
	p := part{delay: d}
	if grace > proposedGrace {
		p.change = Change{[]Assignment{
			knob("nodeMonitorGracePeriod", "kube-controller-manager --node-monitor-grace-period", grace, proposedGrace,
				func(k *scenario.Knobs) *scenario.Duration { return &k.NodeMonitorGracePeriod }),
			knob("nodeLeaseDuration", "kubelet nodeLeaseDurationSeconds", lease, min(lease, proposedLease),
				func(k *scenario.Knobs) *scenario.Duration { return &k.NodeLeaseDuration }),
			knob("nodeMonitorPeriod", "kube-controller-manager --node-monitor-period", period, min(period, proposedMonitor),
				func(k *scenario.Knobs) *scenario.Duration { return &k.NodeMonitorPeriod }),
		}}
		p.expected = detectedIn(proposedGrace, min(lease, proposedLease), min(period, proposedMonitor))
		p.cost = fmt.Sprintf("Any node that the control plane does not hear of for %s loses its pods, of all applications; leases are "+
			"renewed more often.", proposedGrace)
	}
	return p, true
}

// detectedIn is when a silent node is not Ready: its lease was renewed up to a quarter of its duration before it fell silent.
func detectedIn(grace, lease, period time.Duration) Range {
	return around(grace-lease/4, grace+period+slack)
}

// eviction is governed by the pod's toleration of an unreachable node.
func eviction(r recovery) (part, bool) {
	d, there := r.delay("eviction")
	if !there {
		return part{}, false
	}
	if !r.silent() {
		d.Why = "The fault ends the pod itself, so there is nothing to wait for."
		return part{delay: d}, true
	}
	who, field, seconds := "driver", "workload.driver.tolerationSeconds", r.set.Workload.Driver.TolerationSeconds
	if r.driver == nil {
		who, field, seconds = "executor", "workload.executors.tolerationSeconds", r.set.Workload.Executors.TolerationSeconds
	}
	tolerated, value, stock := 300*time.Second, "5m0s", true
	if seconds != nil {
		tolerated, stock = time.Duration(*seconds)*time.Second, false
		value = tolerated.String()
	}
	d.Settings = []Setting{{Name: "tolerationSeconds of the " + who + "'s pod for unreachable nodes", Value: value, Default: stock}}
	d.Expected = around(tolerated, tolerated+slack+time.Duration(r.set.Cluster.Knobs.NodeMonitorPeriod))
	d.Why = fmt.Sprintf("The %s's pod tolerates a node that is not reachable for %s; only then it is marked for deletion.", who, tolerated)
	p := part{delay: d}
	if tolerated > 2*proposedToleration {
		p.change = Change{[]Assignment{{
			Field: field, Name: "tolerationSeconds of the " + who, Now: value, Then: proposedToleration.String(),
			apply: func(spec *scenario.Spec) { tolerate(spec, r.driver != nil) },
		}}}
		p.expected = around(proposedToleration, proposedToleration+slack)
		p.cost = fmt.Sprintf("A node that is cut off for more than %s after it was noticed costs the application its %s, also if it would have "+
			"come back.", proposedToleration, who)
	}
	return p, true
}

func tolerate(spec *scenario.Spec, driver bool) {
	seconds := int64(proposedToleration / time.Second)
	if driver {
		spec.Workload.Driver.TolerationSeconds = &seconds
		return
	}
	spec.Workload.Executors.TolerationSeconds = &seconds
}

// The Job controller's back-off for failed pods, which no setting changes (pkg/controller/job/backoff_utils.go).
const (
	firstBackOff   = 10 * time.Second
	longestBackOff = 10 * time.Minute
)

// rescheduling is governed by the Job controller, then by the scheduler and the kubelet.
func rescheduling(r recovery) (part, bool) {
	d, there := r.delay("rescheduling")
	if !there || r.driver == nil {
		return part{}, false
	}
	next := r.all.After(r.driver.Driver)
	if next == nil || next.Pod == nil || next.Pod.Running.Never() {
		return part{}, false
	}
	backOff := firstBackOff << min(r.driver.Driver.Number-1, 6)
	backOff = min(backOff, longestBackOff)
	starts := max(0, next.Pod.Running.At.Sub(next.Pod.Added.At))
	// It is counted from the moment at which the pod was not Ready any more, which a silent node is told for it.
	before := time.Duration(0)
	if _, noticed := r.phases["detection"]; noticed && r.silent() {
		before = r.phases["eviction"].Duration
	}
	waits := max(0, backOff-before)
	d.Settings = []Setting{{Name: "the Job controller's back-off", Value: backOff.String(), Default: true}}
	d.Expected = around(waits, waits+starts+2*slack)
	d.Why = fmt.Sprintf(
		"The Job controller waits %s after failure %d of a driver, counted from when its pod was not Ready: %s of it were left. "+
			"The new pod ran %s after it was made (scheduling, volumes, image, start of the container). No setting changes the back-off.",
		backOff, r.driver.Driver.Number, wording.Duration(waits), wording.Duration(starts))
	return part{delay: d}, true
}

// driverStart is compared with the start of the driver that was lost.
func driverStart(r recovery) (part, bool) {
	d, there := r.delay("driver start")
	if !there || r.driver == nil {
		return part{}, false
	}
	d.Why = "The JVM and Spark start."
	if lost := r.driver.Driver; lost.Pod != nil && lost.Driver != nil && !lost.Pod.Running.Never() && !lost.Driver.Started.Never() {
		if took := lost.Driver.Started.At.Sub(lost.Pod.Running.At); took > 0 {
			d.Why = fmt.Sprintf("The JVM and Spark start; the driver that was lost needed %s for it.", wording.Duration(took))
		}
	}
	d.Settings = []Setting{{Name: "CPU of the driver's pod"}}
	return part{delay: d}, true
}

// lossNoticed is how long the driver took an executor on a silent node for alive: so long its tasks were not run elsewhere.
func lossNoticed(r recovery) (part, bool) {
	if !r.silent() {
		return part{}, false
	}
	var last *model.ExecutorLoss
	var until model.Moment
	open := false
	for _, loss := range r.executors {
		removed, ended := r.removed(loss)
		if removed.Never() {
			removed, open = ended, true
		}
		if last == nil || until.Before(removed) {
			last, until = loss, removed
		}
	}
	if last == nil || until.Never() {
		return part{}, false
	}
	timeout, interval, beat := r.set.time(networkTimeout()), r.set.time(timeoutInterval()), r.set.time(heartbeatInterval())
	d := Delay{
		Fault: r.fault.Name, Name: delayNoticed, Took: max(0, until.At.Sub(r.fault.Began.At)), Open: open, From: r.fault.Began.Seq, To: until.Seq,
		Settings: []Setting{r.set.setting(networkTimeout()), r.set.setting(timeoutInterval()), r.set.setting(heartbeatInterval())},
		Expected: noticedIn(timeout, interval, beat),
		Why: fmt.Sprintf("A node without power closes no connection: the driver gives up an executor when it has sent no heartbeat for %s, "+
			"looks for such ones every %s, "+
			"and the last heartbeat came up to %s before the fault. Until then the executor's tasks are not run elsewhere.",
			timeout, interval, beat),
	}
	p := part{delay: d, expected: noticedIn(proposedTimeout, proposedInterval, proposedInterval)}
	if timeout > proposedTimeout || interval > 5*proposedInterval {
		p.change = r.set.confChange(wanted{networkTimeout(), "20s"}, wanted{timeoutInterval(), "2s"}, wanted{heartbeatInterval(), "2s"})
		p.cost = fmt.Sprintf("An executor that stops for %s, as in a long garbage collection, is given up and its work run again; five times as "+
			"many heartbeats reach the driver.", proposedTimeout)
	}
	return p, true
}

// noticedIn is when a driver gives up a silent executor (org.apache.spark.HeartbeatReceiver).
func noticedIn(timeout, interval, beat time.Duration) Range {
	return around(timeout-beat, timeout+interval)
}

// removed returns when a driver removed an executor that it lost, and when it could not do so any more.
func (r recovery) removed(loss *model.ExecutorLoss) (removed, ended model.Moment) {
	ended = r.m.Horizon()
	driver := loss.Driver.Driver
	if driver == nil {
		return removed, model.Moment{}
	}
	if !driver.Stopping.Never() {
		ended = driver.Stopping
	}
	if e := driver.Executors[loss.Pod.ExecutorID]; e != nil && !e.Removed.Never() && !e.Removed.At.Before(r.fault.Began.At) &&
		!ended.Before(e.Removed) {
		removed = e.Removed
	}
	return removed, ended
}

// objectGone is how long the object of a lost executor's pod was there, after it was marked for deletion: so long Spark counts it.
func objectGone(r recovery) (part, bool) {
	if !r.silent() {
		return part{}, false
	}
	var last *model.ExecutorLoss
	for _, loss := range r.executors {
		pod := loss.Pod
		late := !pod.Terminating.Never() && (pod.Gone().Never() || pod.Gone().At.Sub(pod.Terminating.At) > proposedToleration)
		waited := loss.Replacement == nil || !pod.Gone().Never() && !loss.Asked.Before(pod.Gone())
		if late && waited && (last == nil || last.Pod.Gone().Before(pod.Gone())) {
			last = loss
		}
	}
	if last == nil {
		return part{}, false
	}
	until, open := last.Pod.Gone(), false
	if until.Never() {
		_, until = r.removed(last)
		open = true
	}
	if until.Never() {
		return part{}, false
	}
	d := Delay{
		Fault: r.fault.Name, Name: delayObject, Took: max(0, until.At.Sub(last.Pod.Terminating.At)), Open: open, From: last.Pod.Terminating.Seq,
		To: until.Seq,
		Why: fmt.Sprintf("Pod %s was marked for deletion, but its object stayed, because no kubelet said that its containers had ended. "+
			"Spark counts such a pod among its executors and asks for no other one.", last.Pod.Name),
	}
	return part{
		delay: d, expected: around(time.Second, proposedToleration),
		change: Change{[]Assignment{{
			Name: "taint node.kubernetes.io/out-of-service on a node that is off for certain", Now: "by nobody", Then: "as soon as it is known",
		}}},
		cost: "Only set the taint on a node that is off: pods that still run there would have twins.",
	}, true
}

// executorsBack is governed by Spark's allocator, then by the scheduler and the kubelet.
func executorsBack(r recovery) (part, bool) {
	d, there := r.delay("executors back")
	if !there {
		return part{}, false
	}
	delay := r.set.time(batchDelay())
	d.Settings = []Setting{r.set.setting(batchDelay())}
	d.Why = fmt.Sprintf(
		"The driver asks for executors in batches, one every %s; then their pods are scheduled, and their JVMs start and register.", delay)
	p := part{delay: d}
	if delay >= time.Second {
		p.change = r.set.confChange(wanted{batchDelay(), "200ms"})
		p.expected = around(d.Took-delay+200*time.Millisecond, d.Took-delay+200*time.Millisecond)
		p.cost = "The API server is asked five times as often while executors are missing."
	}
	return p, true
}

// firstProgress is governed by the application's own tasks.
func firstProgress(r recovery) (part, bool) {
	d, there := r.delay("first progress")
	if !there {
		return part{}, false
	}
	d.Why = "The application's first task or batch has to end."
	if usual := r.usualTask(); usual > 0 {
		d.Why = fmt.Sprintf("The application's first task or batch has to end; before the fault half of the tasks took %s or less.",
			wording.Duration(usual))
	}
	return part{delay: d}, true
}

// usualTask returns the median duration of the tasks that ended well before the fault; 0 if there were none.
func (r recovery) usualTask() time.Duration {
	var took []time.Duration
	for _, i := range r.all {
		if i.Driver == nil {
			continue
		}
		for _, task := range i.Driver.Tasks {
			if task.Succeeded() && !task.Started.Never() && task.Ended.At.Before(r.fault.Began.At) {
				took = append(took, task.Ended.At.Sub(task.Started.At))
			}
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// executorEnds is how long the JVM of an executor that gave up its driver takes to end, which tries to reach the driver once more. It was
// measured: 11 to 12 s with Spark 4.1.
const executorEnds = 12 * time.Second

// staleExecutors is how long executors of a lost driver continued elsewhere: they hold CPU and memory, and do work for nobody.
func staleExecutors(r recovery) (part, bool) {
	if r.driver == nil || !r.silent() {
		return part{}, false
	}
	var last model.Moment
	left := 0
	for _, p := range r.m.ExecutorProcesses(r.driver.Driver) {
		if len(p.Alive) == 0 || r.fault.Hits(p.PodUID, p.Node) || !p.Alive.Last().At.After(r.fault.Began.At) {
			continue
		}
		left++
		last.KeepLater(p.Alive.Last())
	}
	if left == 0 {
		return part{}, false
	}
	failures, beat := r.set.number(heartbeatFailures()), r.set.time(heartbeatInterval())
	whole := time.Duration(min(failures, int64(maxTime/max(beat, 1)))) * beat
	d := Delay{
		Fault: r.fault.Name, Name: delayStale, Took: last.At.Sub(r.fault.Began.At), From: r.fault.Began.Seq, To: last.Seq, Beside: true,
		Settings: []Setting{r.set.setting(heartbeatFailures()), r.set.setting(heartbeatInterval())},
		Expected: around(min(time.Second, whole), whole+2*beat+executorEnds),
		Why: fmt.Sprintf("%s of the lost driver continued: an executor ends after %d heartbeats that failed, one every %s, or when Kubernetes "+
			"removes its pod after its driver's.",
			wording.Count(left, "executor"), failures, beat),
	}
	p := part{delay: d, expected: around(8*proposedInterval, 10*proposedInterval+executorEnds)}
	if whole > time.Minute {
		p.change = r.set.confChange(wanted{heartbeatFailures(), "8"}, wanted{heartbeatInterval(), "2s"})
		p.cost = fmt.Sprintf("An executor that cannot reach its driver for %s ends, with all that it has stored.", 8*proposedInterval)
	}
	return p, true
}
