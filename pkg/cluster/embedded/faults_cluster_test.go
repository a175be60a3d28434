//go:build linux

package embedded_test

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// TestCluster takes one cluster through everything that faults and workloads need of it.
func TestCluster(t *testing.T) {
	provider := newProvider(t)
	shared := newLab(t, provider, "faults", 3)
	for _, test := range []struct {
		name string
		run  func(*lab)
	}{
		{"workloads reach each other", workloadsReachEachOther},
		{"a Job is replaced when its node loses its power", jobIsReplaced},
		{"a dead node falls silent", deadNodeFallsSilent},
		{"the loss of a node leaves the way of the others alone", losses},
		{"power-on boots the same disk again, without leaks", powerCycles},
		{"a power-off that ended half-way can be undone", halfPowerOffs},
		{"a frozen node stops", frozenNodeStops},
		{"an isolated node keeps running", isolatedNodeLivesOn},
		{"frozen and isolated combine", frozenAndIsolated},
		{"a shut-down gives pods their time", shutDownGivesTime},
		{"a stopped kubelet leaves containers alone", stoppedKubelet},
		{"shared volumes survive any node", sharedVolume},
		{"local volumes are on one node", localVolume},
		{"nodes have a size", nodesHaveASize},
		{"what makes no sense is refused", refusals},
		{"a crashed component is started again", crashedComponent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(shared.with(t)) })
	}
}

func workloadsReachEachOther(l *lab) {
	replicas := int32(3)
	labels := map[string]string{"app": "web"}
	spec := podSpec("serve", ":8080")
	spec.RestartPolicy = corev1.RestartPolicyAlways
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
	}}
	_, err := l.client.AppsV1().Deployments(ns).Create(l.Context(),
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		}}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	_, err = l.client.CoreV1().Services(ns).Create(l.Context(),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{
			Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		}}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	var pods []corev1.Pod
	l.eventually("three replicas run on three nodes", func() (bool, string) {
		list, err := l.client.CoreV1().Pods(ns).List(l.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		if err != nil {
			return false, err.Error()
		}
		nodes := map[string]bool{}
		for _, p := range list.Items {
			if p.Status.Phase == corev1.PodRunning {
				nodes[p.Spec.NodeName] = true
			}
		}
		pods = list.Items
		return len(nodes) == 3, fmt.Sprint(nodes)
	})
	// The output of a process that ends at once is lost now and then on its way through kubelet: asked again.
	answers := func(what, url, want string) {
		l.Helper()
		l.eventually(what, func() (bool, string) {
			out, err := l.exec(pods[0].Name, "/bin/toolbox", "get", url)
			return err == nil && strings.Contains(out, want), fmt.Sprintf("%q, %v", out, err)
		})
	}
	for _, peer := range pods {
		answers(fmt.Sprintf("%s on %s answers by its address", peer.Name, peer.Spec.NodeName), "http://"+peer.Status.PodIP+":8080/by-address",
			peer.Name+" GET /by-address")
	}
	for _, name := range []string{"web", "web.default.svc.cluster.local"} {
		answers("the Service answers by the name "+name, "http://"+name+"/by-name", "GET /by-name")
	}
	if log := l.logs(pods[1].Name); !strings.Contains(log, "serving on") {
		l.Errorf("log of %s: %q", pods[1].Name, log)
	}
}

func jobIsReplaced(l *lab) {
	policy := batchv1.TerminatingOrFailed
	_, err := l.client.BatchV1().Jobs(ns).Create(l.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: batchv1.JobSpec{
		PodReplacementPolicy: &policy, Template: corev1.PodTemplateSpec{Spec: podSpec("sleep", "1h")},
	}}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	pods := func() []corev1.Pod {
		list, err := l.client.CoreV1().Pods(ns).List(l.Context(), metav1.ListOptions{LabelSelector: "job-name=job"})
		if err != nil {
			l.Fatal(err)
		}
		return list.Items
	}
	var first corev1.Pod
	l.eventually("the Job's pod runs", func() (bool, string) {
		for _, first = range pods() {
			return first.Status.Phase == corev1.PodRunning, string(first.Status.Phase)
		}
		return false, "no pod"
	})
	node := first.Spec.NodeName
	l.do(cluster.PowerOff, node)
	l.eventuallyReady(node, false)
	l.eventually("a replacement runs elsewhere, while the old pod is still shown", func() (bool, string) {
		var seen []string
		replaced, stale := false, false
		for _, p := range pods() {
			seen = append(seen, fmt.Sprintf("%s on %s: %s", p.Name, p.Spec.NodeName, p.Status.Phase))
			replaced = replaced || p.UID != first.UID && p.Spec.NodeName != node && p.Status.Phase == corev1.PodRunning
			stale = stale || p.UID == first.UID && p.DeletionTimestamp != nil
		}
		return replaced && stale, strings.Join(seen, ", ")
	})
	l.do(cluster.PowerOn, node)
	l.eventuallyReady(node, true)
	l.eventually("the stale pod is gone", func() (bool, string) {
		now := pods()
		for _, p := range now {
			if p.UID == first.UID {
				return false, string(p.Status.Phase)
			}
		}
		return len(now) == 1, fmt.Sprint(len(now), " pods")
	})
}

// deadNodeFallsSilent holds a TCP connection from another node open while its peer's node dies: no FIN, no RST.
func deadNodeFallsSilent(l *lab) {
	server := l.run(on(pod("silent-server", "tcp-serve", "-every", "100ms", ":7000"), "worker-2"))
	l.run(on(pod("silent-client", "tcp-hold", server.Status.PodIP+":7000"), "worker-3"))
	l.eventually("the connection carries data", func() (bool, string) {
		log := l.logs("silent-client")
		return strings.Count(log, "data") >= 3, log
	})
	l.do(cluster.PowerOff, "worker-2")
	l.eventuallyReady("worker-2", false)
	log := l.logs("silent-client")
	for _, farewell := range []string{"fin from", "rst from", "error"} {
		if strings.Contains(log, farewell) {
			l.Errorf("the peer of a node that lost its power saw %q, want silence:\n%s", farewell, log)
		}
	}
	client, err := l.client.CoreV1().Pods(ns).Get(l.Context(), "silent-client", metav1.GetOptions{})
	if err != nil || client.Status.Phase != corev1.PodRunning {
		l.Errorf("the client ended: %v, %v", client.Status.Phase, err)
	}
	l.do(cluster.PowerOn, "worker-2")
	l.eventuallyReady("worker-2", true)
}

func powerCycles(l *lab) {
	l.run(hostPath(on(pod("cycled", "tick", "/data/tick"), "worker-1"), "/var/lib/cycled"))
	l.grows("worker-1", "/var/lib/cycled/tick")
	boots := map[string]bool{}
	var links []string
	for range 5 {
		l.do(cluster.PowerOff, "worker-1")
		before := l.ticks("worker-1", "/var/lib/cycled/tick")
		if before == 0 {
			l.Error("the disk of a node that is off cannot be read")
		}
		l.stands("worker-1", "/var/lib/cycled/tick")
		l.do(cluster.PowerOn, "worker-1")
		l.eventuallyReady("worker-1", true)
		nodes, err := l.cluster.Nodes(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		boots[nodes[0].BootID] = true
		links = append(links, fmt.Sprint(len(machines(l.T, l.cluster.Name()))))
	}
	if len(boots) != 5 {
		l.Errorf("%d boot IDs in 5 boots: %v", len(boots), boots)
	}
	for _, count := range links {
		if count != links[0] {
			l.Errorf("the number of machines' processes changed from boot to boot: %v", links)
		}
	}
	kubernetes, err := l.client.CoreV1().Nodes().Get(l.Context(), "worker-1", metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	l.eventually("Kubernetes knows the new boot ID", func() (bool, string) {
		kubernetes, err = l.client.CoreV1().Nodes().Get(l.Context(), "worker-1", metav1.GetOptions{})
		return err == nil && boots[kubernetes.Status.NodeInfo.BootID], fmt.Sprint(kubernetes.Status.NodeInfo.BootID, boots)
	})
}

// losses powers each node off and on. The others' way to the API server must stay as it is: its hardware address is in their ARP tables.
func losses(l *lab) {
	address := func() string {
		address, err := l.cluster.BridgeAddress(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		return address
	}
	before := address()
	for _, node := range []string{"worker-1", "worker-2", "worker-3"} {
		for _, action := range []cluster.Action{cluster.PowerOff, cluster.PowerOn, cluster.Isolate, cluster.Rejoin} {
			l.do(action, node)
			if now := address(); now != before {
				l.Errorf("after %s of %s the API server has the hardware address %s, expected %s as before", action, node, now, before)
			}
		}
	}
	for _, node := range []string{"worker-1", "worker-2", "worker-3"} {
		l.eventuallyReady(node, true)
	}
}

// halfPowerOffs undoes what a harness leaves that is killed while it powers a node off.
func halfPowerOffs(l *lab) {
	for _, tt := range []struct {
		kill bool
		undo cluster.Action
	}{{false, cluster.Rejoin}, {true, cluster.PowerOn}} {
		if err := l.cluster.HalfPowerOff(l.Context(), "worker-1", tt.kill); err != nil {
			l.Fatal(err)
		}
		l.do(tt.undo, "worker-1")
		l.eventuallyReady("worker-1", true)
	}
}

func frozenNodeStops(l *lab) {
	const path = "/var/lib/frozen"
	l.run(hostPath(on(pod("frozen", "tick", "/data/tick"), "worker-1"), path))
	l.grows("worker-1", path+"/tick")
	l.do(cluster.Freeze, "worker-1")
	l.stands("worker-1", path+"/tick")
	l.eventuallyReady("worker-1", false)
	l.do(cluster.Thaw, "worker-1")
	l.eventuallyReady("worker-1", true)
}

func isolatedNodeLivesOn(l *lab) {
	const path = "/var/lib/isolated"
	l.run(hostPath(on(pod("isolated", "tick", "/data/tick"), "worker-2"), path))
	l.grows("worker-2", path+"/tick")
	l.do(cluster.Isolate, "worker-2")
	l.eventuallyReady("worker-2", false)
	l.eventually("the pod is evicted, for the API server", func() (bool, string) {
		p, err := l.client.CoreV1().Pods(ns).Get(l.Context(), "isolated", metav1.GetOptions{})
		return err == nil && p.DeletionTimestamp != nil, fmt.Sprint(err)
	})
	l.grows("worker-2", path+"/tick")
	address := func() string {
		nodes, err := l.cluster.Nodes(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		return nodes[1].Address
	}
	before := address()
	l.do(cluster.Rejoin, "worker-2")
	l.eventuallyReady("worker-2", true)
	if after := address(); after != before {
		l.Errorf("the address changed from %s to %s", before, after)
	}
	l.eventually("the evicted pod ends now that its kubelet hears of it", func() (bool, string) {
		_, err := l.client.CoreV1().Pods(ns).Get(l.Context(), "isolated", metav1.GetOptions{})
		return err != nil && strings.Contains(err.Error(), "not found"), fmt.Sprint(err)
	})
}

func frozenAndIsolated(l *lab) {
	state := func(frozen, isolated bool) {
		l.Helper()
		nodes, err := l.cluster.Nodes(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		if n := nodes[0]; n.Frozen != frozen || n.Isolated != isolated || n.Power != cluster.On {
			l.Errorf("node %+v, want frozen %v and isolated %v", n, frozen, isolated)
		}
	}
	l.do(cluster.Freeze, "worker-1")
	l.do(cluster.Isolate, "worker-1")
	state(true, true)
	l.do(cluster.Thaw, "worker-1")
	state(false, true)
	l.do(cluster.Freeze, "worker-1")
	l.do(cluster.Rejoin, "worker-1")
	state(true, false)
	l.do(cluster.Thaw, "worker-1")
	state(false, false)
	l.do(cluster.Freeze, "worker-1")
	l.do(cluster.PowerOff, "worker-1") // a frozen process dies, too
	l.do(cluster.PowerOn, "worker-1")
	state(false, false)
	l.eventuallyReady("worker-1", true)
}

func shutDownGivesTime(l *lab) {
	const path = "/var/lib/shutdown"
	p := hostPath(on(pod("orderly", "trap-term", "2s"), "worker-3"), path)
	grace := int64(10)
	p.Spec.TerminationGracePeriodSeconds = &grace
	l.run(p)
	// The log of a pod that ends with its node is followed while it is written.
	stream, err := l.client.CoreV1().Pods(ns).GetLogs("orderly", &corev1.PodLogOptions{Follow: true}).Stream(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		var log strings.Builder
		buffer := make([]byte, 1024)
		for {
			n, err := stream.Read(buffer)
			log.Write(buffer[:n])
			if err != nil {
				read <- log.String()
				return
			}
		}
	}()
	l.do(cluster.Shutdown, "worker-3")
	if log := <-read; !strings.Contains(log, "terminating") || !strings.Contains(log, "done") {
		l.Errorf("the pod's log: %q, want SIGTERM and its grace period of 2s used", log)
	}
	nodes, err := l.cluster.Nodes(l.Context())
	if err != nil || nodes[2].Power != cluster.Off || nodes[2].Processes != 0 {
		l.Errorf("after the shut-down: %+v, %v", nodes, err)
	}
	l.do(cluster.PowerOn, "worker-3")
	l.eventuallyReady("worker-3", true)
}

func stoppedKubelet(l *lab) {
	const path = "/var/lib/alone"
	l.run(hostPath(on(pod("alone", "tick", "/data/tick"), "worker-2"), path))
	l.do(cluster.KubeletStop, "worker-2")
	l.eventuallyReady("worker-2", false)
	l.grows("worker-2", path+"/tick")
	l.do(cluster.KubeletStart, "worker-2")
	l.eventuallyReady("worker-2", true)
}

func sharedVolume(l *lab) {
	l.claim("shared", l.cluster.StorageClasses().Shared, corev1.ReadWriteMany)
	l.create(claimed(on(pod("writer", "write", "/data/text", "survives"), "worker-1"), "shared"))
	l.awaitPhase("writer", corev1.PodSucceeded)
	l.do(cluster.PowerOff, "worker-1")
	l.create(claimed(on(pod("reader", "cat", "/data/text"), "worker-2"), "shared"))
	l.awaitPhase("reader", corev1.PodSucceeded)
	if log := l.logs("reader"); !strings.Contains(log, "survives") {
		l.Errorf("another node reads %q", log)
	}
	l.do(cluster.PowerOn, "worker-1")
	l.eventuallyReady("worker-1", true)
}

func localVolume(l *lab) {
	l.claim("local", l.cluster.StorageClasses().Local, corev1.ReadWriteOnce)
	first := l.run(claimed(pod("local-1", "sleep", "1h"), "local"))
	node := first.Spec.NodeName
	l.do(cluster.PowerOff, node)
	l.eventually("the scheduler is told to leave the dead node alone", func() (bool, string) {
		n, err := l.client.CoreV1().Nodes().Get(l.Context(), node, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, taint := range n.Spec.Taints {
			if taint.Effect == corev1.TaintEffectNoSchedule {
				return true, ""
			}
		}
		return false, fmt.Sprint(n.Spec.Taints)
	})
	l.create(claimed(pod("local-2", "sleep", "1h"), "local"))
	l.eventually("a pod with the dead node's volume stays Pending, and says why", func() (bool, string) {
		p, err := l.client.CoreV1().Pods(ns).Get(l.Context(), "local-2", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return p.Status.Phase == corev1.PodPending &&
					(strings.Contains(c.Message, "affinity") || strings.Contains(c.Message, "taint")), c.Message
			}
		}
		return false, "no condition"
	})
	l.do(cluster.PowerOn, node)
	l.eventuallyReady(node, true)
	if p := l.awaitPhase("local-2", corev1.PodRunning); p.Spec.NodeName != node {
		l.Errorf("it runs on %s, its volume is on %s", p.Spec.NodeName, node)
	}
}

func nodesHaveASize(l *lab) {
	nodes, err := l.client.CoreV1().Nodes().List(l.Context(), metav1.ListOptions{})
	if err != nil {
		l.Fatal(err)
	}
	for _, n := range nodes.Items {
		memory, cpu := n.Status.Allocatable.Memory(), n.Status.Allocatable.Cpu()
		if mib := memory.Value() >> 20; mib < 3<<10-1 || mib > 3<<10+1 || cpu.MilliValue() != 2000 {
			l.Errorf("node %s offers %s and %s CPUs, want 3 GiB and 2", n.Name, memory, cpu)
		}
	}
	huge := pod("huge", "sleep", "1h")
	huge.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("3500Mi")
	l.create(huge)
	l.eventually("a pod that fits no node stays Pending", func() (bool, string) {
		p, err := l.client.CoreV1().Pods(ns).Get(l.Context(), "huge", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled {
				return strings.Contains(c.Message, "Insufficient memory"), c.Message
			}
		}
		return false, "not looked at yet"
	})
}

func refusals(l *lab) {
	l.refused(cluster.PowerOff, "worker-9", "expected one of worker-1, worker-2, worker-3")
	l.refused(cluster.PowerOn, "worker-1", "it is on already; nothing was changed")
	l.refused(cluster.Thaw, "worker-1", "not frozen")
	l.refused(cluster.Rejoin, "worker-1", "not isolated")
	l.refused(cluster.KubeletStart, "worker-1", "runs already")
	l.refused("melt", "worker-1", "melt")
	l.do(cluster.PowerOff, "worker-1")
	l.refused(cluster.PowerOff, "worker-1", "it is off; nothing was changed")
	l.refused(cluster.Freeze, "worker-1", "it is off")
	l.do(cluster.PowerOn, "worker-1")
	l.eventuallyReady("worker-1", true)
}
