//go:build linux

package support

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
)

// Taken is a cluster that was made here and is used as if somebody else had made it.
type Taken struct {
	directory string
	// Flags are those of a run on it as the user who may do everything.
	Flags []string
}

// readied is what a cluster needs to be taken for an existing one.
type readied interface {
	cluster.Cluster
	Kubeconfig() ([]byte, error)
}

// Take brings the images to a cluster, as a registry would, and writes what a user of an existing cluster has: a kubeconfig and the
// commands that work on its machines.
func Take(ctx context.Context, c readied, kind string) Taken {
	GinkgoHelper()
	t := Taken{directory: GinkgoT().TempDir()}
	images := Load(ctx, c, image.Spark, image.Staging)
	kubeconfig, err := c.Kubeconfig()
	Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.Load(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	t.Flags = slices.Concat(t.By(config), []string{
		"--node-actions", t.actions(c.Name(), kind), "--yes", "--image", images[0], "--pod-image", images[1],
		"--shared-storage-class", c.StorageClasses().Shared, "--local-storage-class", c.StorageClasses().Local,
	})
	return t
}

// Load brings images to the nodes, as a registry would, and returns their references.
func Load(ctx context.Context, c cluster.Cluster, images ...func(context.Context, image.Env) (image.Archive, error)) []string {
	GinkgoHelper()
	env := imageEnv()
	var references []string
	for _, build := range images {
		archive, err := build(ctx, env)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Load(ctx, archive.Path)).To(Succeed())
		references = append(references, archive.Reference)
	}
	return references
}

// imageEnv is where images are built from and kept.
func imageEnv() image.Env {
	GinkgoHelper()
	cache, err := paths.Cache(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	checkout, err := components.FindSource(".")
	Expect(err).NotTo(HaveOccurred())
	return image.Env{Cache: cache, Checkout: checkout}
}

// By writes a kubeconfig and returns the flags that choose its context.
func (t Taken) By(config *api.Config) []string {
	GinkgoHelper()
	file, err := os.CreateTemp(t.directory, "kubeconfig-*")
	Expect(err).NotTo(HaveOccurred())
	Expect(file.Close()).To(Succeed())
	Expect(clientcmd.WriteToFile(*config, file.Name())).To(Succeed())
	return []string{"--cluster", "existing", "--kubeconfig", file.Name(), "--context", config.CurrentContext, "--allow-context",
		config.CurrentContext}
}

// actions writes the commands: the harness's own ones for its clusters, as those of another tool.
func (t Taken) actions(name, kind string) string {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	// The tool finds its clusters whatever state the harness under test has.
	tool := func(args ...string) existing.Command {
		command := []string{"env", asProgram + "=1", paths.StateVariable + "=" + state, executable, "cluster", "node"}
		return existing.Command{Command: slices.Concat(command, args, []string{"--cluster", kind, "--name", name})}
	}
	actions := existing.NodeActions{APIVersion: "sparkchaos.dev/v1alpha1", Kind: "NodeActions", Nodes: tool("list"),
		Actions: map[string]existing.Command{}}
	for _, action := range cluster.Actions() {
		actions.Actions[string(action)] = tool(string(action), "{node}")
	}
	encoded, err := yaml.Marshal(actions)
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.directory, "actions.yaml")
	Expect(os.WriteFile(file, encoded, 0o600)).To(Succeed())
	return file
}

// ExpectNothingOfHarness looks for the harness's own namespace.
func ExpectNothingOfHarness(ctx context.Context, client kubernetes.Interface) {
	GinkgoHelper()
	_, err := client.CoreV1().Namespaces().Get(ctx, existing.Namespace, metav1.GetOptions{})
	Expect(apierrors.IsNotFound(err)).To(BeTrue(), "namespace %s: %v", existing.Namespace, err)
}
