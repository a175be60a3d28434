//go:build linux

package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
)

// crashedComponent kills a component of a worker; its init starts it again and status says so.
func crashedComponent(l *lab) {
	restarts := func() (int, int) {
		status, err := l.cluster.Status(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		for _, m := range status.Machines {
			if m.Name != "worker-1" {
				continue
			}
			for _, service := range m.Services {
				if service.Name == "kubelet" {
					return service.Restarts, service.PID
				}
			}
		}
		l.Fatal("status shows no kubelet on worker-1")
		return 0, 0
	}
	var before int
	l.eventually("kubelet runs after the last boot", func() (bool, string) {
		now, pid := restarts()
		before = now
		return pid != 0, fmt.Sprintf("PID %d", pid)
	})
	killProgram(l.T, "kubelet", "/"+l.cluster.Name()+"-", "/worker-1/")
	l.eventually("kubelet is started again, and counted", func() (bool, string) {
		now, pid := restarts()
		return now == before+1 && pid != 0, fmt.Sprintf("%d restarts, %d before, PID %d", now, before, pid)
	})
	l.eventuallyReady("worker-1", true)
}

// killProgram kills the process of a program whose cgroup is the one of a cluster's machine.
func killProgram(t *testing.T, program, cluster, machine string) {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		command, _ := os.ReadFile(file) // ended meanwhile: not the one
		groups, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if !strings.HasPrefix(string(command), program+"\x00") || !strings.Contains(string(groups), cluster) ||
			!strings.Contains(string(groups), machine) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/cmdline", &pid); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process %s in the cgroups of %s%s", program, cluster, machine)
}

// TestLife takes small clusters through their beginnings and ends.
func TestLife(t *testing.T) {
	provider := newProvider(t)
	names := []string{"life", "second", "rebooted", "port"}
	before := footprint(t, names...)
	l := newLab(t, provider, "life", 2)

	t.Run("nothing of the host is changed but a socket on loopback", func(t *testing.T) {
		during := footprint(t, names...)
		for _, same := range []string{"mounts", "links", "routes", "overcommit", "panic", "forwarding", "conntrack", "listening", "namespaces"} {
			if diff := cmp.Diff(before[same], during[same]); diff != "" {
				t.Errorf("%s of the host changed:\n%s", same, diff)
			}
		}
	})
	t.Run("up on a running cluster changes nothing", func(t *testing.T) {
		again, err := provider.Up(t.Context(), options("life", 2))
		if err != nil || !again.Already {
			t.Errorf("again: %+v, %v", again, err)
		}
	})
	t.Run("each component has its own identity", func(t *testing.T) { identities(l.with(t)) })
	t.Run("clusters live side by side", func(t *testing.T) {
		second := newLab(t, provider, "second", 1)
		if _, err := second.client.CoreV1().ConfigMaps(ns).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
		second.run(pod("beside", "sleep", "1h"))
		if _, err := l.client.CoreV1().Pods(ns).Get(t.Context(), "beside", metav1.GetOptions{}); err == nil {
			t.Error("a pod of one cluster is seen in the other")
		}
		if existed, err := provider.Down(t.Context(), "second"); err != nil || !existed {
			t.Errorf("down: %v, %v", existed, err)
		}
	})
	t.Run("images reach nodes that run, and those that were off", func(t *testing.T) { imagesReachNodes(l.with(t)) })
	t.Run("a used port is named", func(t *testing.T) {
		used, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = used.Close() }()
		wanted := options("port", 1)
		wanted.Port = used.Addr().(*net.TCPAddr).Port
		if _, err := provider.Up(t.Context(), wanted); err == nil || !strings.Contains(err.Error(), "--port") {
			t.Errorf("error %v, want one that names --port", err)
		}
	})
	t.Run("state of another boot is recognised", func(t *testing.T) { otherBoot(t, provider) })
	t.Run("damaged state is named, and down works without it", func(t *testing.T) {
		damaged := filepath.Join(provider.State, "clusters", "life", "cluster.json")
		if err := os.WriteFile(damaged, []byte("{ not JSON"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := provider.Open("life"); err == nil || !strings.Contains(err.Error(), "cluster down") {
			t.Errorf("error %v, want one that says how to continue", err)
		}
		for _, existed := range []bool{true, false} {
			got, err := provider.Down(t.Context(), "life")
			if err != nil || got != existed {
				t.Errorf("down: existed %v, %v; want %v", got, err, existed)
			}
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		if diff := cmp.Diff(before, footprint(t, names...)); diff != "" {
			t.Errorf("after down:\n%s", diff)
		}
		// Files of locks stay: anyone who removed one would let a third process lock another file of the same name.
		if entries, err := os.ReadDir(provider.State); err != nil || len(entries) != 1 || entries[0].Name() != "locks" {
			t.Errorf("the state directory holds %v, %v; want the locks alone", entries, err)
		}
	})
}

// identities asks the API server who the components are, by their own credentials.
func identities(l *lab) {
	machineFiles := func(machine string) string {
		return filepath.Join(l.provider.State, "clusters", "life", "disks", machine, "etc/kubernetes")
	}
	known := map[string]string{}
	for _, component := range []struct{ machine, name, user string }{
		{"control-plane", "kube-controller-manager", "system:kube-controller-manager"},
		{"control-plane", "kube-scheduler", "system:kube-scheduler"},
		{"control-plane", "coredns", "sparkchaos:coredns"},
		{"control-plane", "volume-provisioner", "sparkchaos:volume-provisioner"},
		{"worker-1", "kubelet", "system:node:worker-1"},
		{"worker-1", "kube-proxy", "system:kube-proxy"},
	} {
		client := l.clientOf(filepath.Join(machineFiles(component.machine), component.name+".kubeconfig"))
		review, err := client.AuthenticationV1().SelfSubjectReviews().Create(l.Context(), &authenticationv1.SelfSubjectReview{},
			metav1.CreateOptions{})
		if err != nil {
			l.Errorf("%s: %v", component.name, err)
			continue
		}
		user := review.Status.UserInfo
		if user.Username != component.user {
			l.Errorf("%s is known as %s, want %s", component.name, user.Username, component.user)
		}
		if strings.Contains(strings.Join(user.Groups, " "), "system:masters") {
			l.Errorf("%s is a member of system:masters", component.name)
		}
		if other, taken := known[user.Username]; taken {
			l.Errorf("%s and %s share an identity", component.name, other)
		}
		known[user.Username] = component.name
	}
	kubelet := l.clientOf(filepath.Join(machineFiles("worker-1"), "kubelet.kubeconfig"))
	other, err := kubelet.CoreV1().Nodes().Get(l.Context(), "worker-2", metav1.GetOptions{})
	if err == nil {
		other.Labels["touched"] = "yes"
		_, err = kubelet.CoreV1().Nodes().Update(l.Context(), other, metav1.UpdateOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "orbidden") && !strings.Contains(err.Error(), "not allowed") {
		l.Errorf("a kubelet changes another node: %v, want it forbidden", err)
	}
}

func (l *lab) clientOf(kubeconfig string) kubernetes.Interface {
	l.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		l.Fatal(err)
	}
	config.Host = l.config.Host // the address inside the cluster cannot be reached from here
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		l.Fatal(err)
	}
	return client
}

// imagesReachNodes loads an archive that the cluster did not have; pause under another file name serves.
func imagesReachNodes(l *lab) {
	pause, err := image.Pause(l.Context(), image.Env{Cache: l.provider.Cache})
	if err != nil {
		l.Fatal(err)
	}
	content, err := os.ReadFile(pause.Path)
	if err != nil {
		l.Fatal(err)
	}
	archive := filepath.Join(l.TempDir(), "extra.tar")
	if err := os.WriteFile(archive, content, 0o600); err != nil {
		l.Fatal(err)
	}
	l.do(cluster.PowerOff, "worker-2")
	if err := l.cluster.Load(l.Context(), archive); err != nil {
		l.Fatal(err)
	}
	if !l.cluster.HasImage(archive) {
		l.Error("the cluster forgot the image")
	}
	l.do(cluster.PowerOn, "worker-2") // fails if the missing image cannot be loaded
	l.eventuallyReady("worker-2", true)
	if err := l.cluster.Load(l.Context(), filepath.Join(l.TempDir(), "none.tar")); err == nil {
		l.Error("an archive that does not exist was loaded")
	}
}

func otherBoot(t *testing.T, provider embedded.Provider) {
	l := newLab(t, provider, "rebooted", 1)
	record := filepath.Join(provider.State, "clusters", "rebooted", "cluster.json")
	machines, err := filepath.Glob(filepath.Join(provider.State, "clusters", "rebooted", "machines", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(machines, record) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(content), strings.TrimSpace(string(boot)), "00000000-0000-4000-8000-000000000000")
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopened, err := provider.Open("rebooted")
	if err != nil {
		t.Fatal(err)
	}
	status, err := reopened.Status(t.Context())
	if err != nil || !strings.Contains(status.State, "rebooted") {
		t.Errorf("status says %q, %v; want that the host was rebooted", status.State, err)
	}
	if _, err := provider.Up(t.Context(), options("rebooted", 1)); err == nil || !strings.Contains(err.Error(), "cluster down") {
		t.Errorf("up: %v, want that down comes first", err)
	}
	if _, err := provider.Down(t.Context(), "rebooted"); err != nil {
		t.Error(err)
	}
	_ = l
}

// TestTwoUpsAtOnce has two processes' worth of callers make one cluster: one makes it, the other finds it.
func TestTwoUpsAtOnce(t *testing.T) {
	provider := newProvider(t)
	type result struct {
		started embedded.Started
		err     error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			started, err := provider.Up(context.Background(), options("twins", 1))
			results <- result{started, err}
		}()
	}
	made := 0
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if !r.started.Already {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d of two callers made the cluster, want 1", made)
	}
}

// TestKilledUp kills the making of a cluster at twenty moments. Status tells the truth, and down cleans everything.
func TestKilledUp(t *testing.T) {
	provider := newProvider(t)
	before := footprint(t, "killed")
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const moments = 20
	for i := range moments {
		up := exec.Command(executable)
		up.Env = append(os.Environ(), upHelper+"="+provider.State)
		if err := up.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = up.Wait(); close(ended) }() // killed is what it is to be
		select {
		case <-time.After(time.Duration(i+1) * 150 * time.Millisecond):
			if err := up.Process.Kill(); err != nil {
				t.Logf("moment %d: %v", i, err)
			}
			<-ended
		case <-ended:
		}
		c, err := provider.Open("killed")
		switch {
		case errors.Is(err, cluster.ErrNotFound):
		case err != nil && !strings.Contains(err.Error(), "cluster down"):
			t.Errorf("moment %d: open: %v, want a word on how to continue", i, err)
		case err == nil:
			status, err := c.Status(t.Context())
			if err != nil || status.State == "running" && len(status.Machines) != 3 {
				t.Errorf("moment %d: status %+v, %v", i, status, err)
			}
		}
		if _, err := provider.Down(t.Context(), "killed"); err != nil {
			t.Errorf("moment %d: down: %v", i, err)
		}
		if diff := cmp.Diff(before, footprint(t, "killed")); diff != "" {
			t.Fatalf("moment %d: left behind:\n%s", i, diff)
		}
	}
}
