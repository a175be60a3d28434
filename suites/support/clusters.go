//go:build linux

package support

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// UpEmbedded makes an embedded cluster, which goes with the suite.
func UpEmbedded(name string) (*embedded.Cluster, kubernetes.Interface) {
	GinkgoHelper()
	DeferCleanup(func() { Down(name, "embedded") })
	code, out := Sparkchaos("cluster", "up", "--name", name)
	Expect(code).To(Equal(0), out)
	return OpenEmbedded(name)
}

// Down removes a cluster with everything in it.
func Down(name, kind string) {
	GinkgoHelper()
	code, out := Sparkchaos("cluster", "down", "--cluster", kind, "--name", name)
	Expect(code).To(Equal(0), out)
}

// OpenEmbedded returns an embedded cluster and a client for it.
func OpenEmbedded(name string) (*embedded.Cluster, kubernetes.Interface) {
	GinkgoHelper()
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	cache, err := paths.Cache(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	provider, err := embedded.NewProvider(state, cache, nil)
	Expect(err).NotTo(HaveOccurred())
	c, err := provider.Open(name)
	Expect(err).NotTo(HaveOccurred())
	config, err := c.RESTConfig()
	Expect(err).NotTo(HaveOccurred())
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return c, client
}

// OpenKind returns a cluster of kind and a client for it.
func OpenKind(ctx context.Context, name string) (*kind.Cluster, kubernetes.Interface) {
	GinkgoHelper()
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	engine, err := kind.FindEngine(ctx)
	Expect(err).NotTo(HaveOccurred())
	c, err := kind.Provider{State: state, Engine: engine, Progress: func(line string) { fmt.Fprintln(GinkgoWriter, line) }}.Open(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	config, err := c.RESTConfig()
	Expect(err).NotTo(HaveOccurred())
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return c, client
}

// ExpectNothingDisturbed looks for what a run must not leave: nodes that are not well, namespaces, records.
func ExpectNothingDisturbed(ctx context.Context, lab cluster.Cluster, client kubernetes.Interface) {
	GinkgoHelper()
	nodes, err := lab.Nodes(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(nodes).To(HaveLen(3))
	for _, node := range nodes {
		Expect(node.Power).To(Equal(cluster.On), node.Name)
		Expect(node.Frozen).To(BeFalse(), node.Name)
		Expect(node.Isolated).To(BeFalse(), node.Name)
	}
	namespaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: launcher.RunLabel})
	Expect(err).NotTo(HaveOccurred())
	Expect(namespaces.Items).To(BeEmpty())
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	records, err := filepath.Glob(filepath.Join(state, "runs", "bad-luck-*.json"))
	Expect(err).NotTo(HaveOccurred())
	Expect(records).To(BeEmpty())
	Eventually(ctx, func(g Gomega) {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		for _, node := range list.Items {
			g.Expect(cluster.NodeReady(node)).To(BeTrue(), node.Name)
		}
	}).WithTimeout(time.Minute).Should(Succeed())
}

// ProcessOf returns the PID, on the host, of a program that runs in an embedded cluster's cgroups; 0 if there is none.
func ProcessOf(program, cluster string) int {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is a constant
	for _, file := range commands {
		command, _ := os.ReadFile(file) // ended meanwhile: not the one
		groups, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if !strings.HasPrefix(string(command), program+"\x00") || !strings.Contains(string(groups), "/sparkchaos/"+cluster+"-") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			return pid
		}
	}
	return 0
}
