//go:build linux

package suites_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
	"github.com/sparkchaos/sparkchaos/pkg/image"
)

// onExisting are the shipped scenarios whose verdict must not depend on who made the cluster.
func onExisting() []string {
	return []string{"driver-node-power-off", "driver-node-isolated", "driver-as-pod"}
}

// taken is a cluster that was made here and is used as if somebody else had made it.
type taken struct {
	directory string
	flags     []string
	admin     []string // the same, as the user who may do everything
}

// readied is what a cluster needs to be taken for an existing one.
type readied interface {
	cluster.Cluster
	Kubeconfig() ([]byte, error)
}

// take brings the images to a cluster, as a registry would, and writes what a user of an existing cluster has: a kubeconfig and the
// commands that work on its machines.
func take(ctx context.Context, c readied, kind string) taken {
	GinkgoHelper()
	t := taken{directory: GinkgoT().TempDir()}
	images := load(ctx, c, image.Spark, image.Staging)
	kubeconfig, err := c.Kubeconfig()
	Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.Load(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	t.flags = slices.Concat(t.by(config), []string{
		"--node-actions", t.actions(c.Name(), kind), "--yes", "--image", images[0], "--staging-image", images[1],
		"--shared-storage-class", c.StorageClasses().Shared, "--local-storage-class", c.StorageClasses().Local,
	})
	t.admin = t.flags
	return t
}

// load brings images to the nodes, as a registry would, and returns their references.
func load(ctx context.Context, c cluster.Cluster, images ...func(context.Context, image.Env) (image.Archive, error)) []string {
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

// by writes a kubeconfig and returns the flags that choose its context.
func (t taken) by(config *api.Config) []string {
	GinkgoHelper()
	file, err := os.CreateTemp(t.directory, "kubeconfig-*")
	Expect(err).NotTo(HaveOccurred())
	Expect(file.Close()).To(Succeed())
	Expect(clientcmd.WriteToFile(*config, file.Name())).To(Succeed())
	return []string{"--cluster", "existing", "--kubeconfig", file.Name(), "--context", config.CurrentContext, "--allow-context", config.CurrentContext}
}

// actions writes the commands: the harness's own ones for its clusters, as those of another tool.
func (t taken) actions(name, kind string) string {
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
	actions := existing.NodeActions{APIVersion: "sparkchaos.dev/v1alpha1", Kind: "NodeActions", Nodes: tool("list"), Actions: map[string]existing.Command{}}
	for _, action := range cluster.Actions() {
		actions.Actions[string(action)] = tool(string(action), "{node}")
	}
	encoded, err := yaml.Marshal(actions)
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.directory, "actions.yaml")
	Expect(os.WriteFile(file, encoded, 0o600)).To(Succeed())
	return file
}

// elsewhere runs a command of the program as another machine would, whose state is of its own: it knows nothing of this one's runs.
func elsewhere(state string, args ...string) (code int, out string) {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), asProgram+"=1", paths.StateVariable+"="+state)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		exited := new(exec.ExitError)
		Expect(errors.As(err, &exited)).To(BeTrue(), "%v", err)
	}
	fmt.Fprint(GinkgoWriter, said.String())
	return command.ProcessState.ExitCode(), said.String()
}

var _ = Describe("existing clusters", Label("existing"), Ordered, ContinueOnFailure, func() {
	var name, runs string
	var lab *embedded.Cluster
	var client kubernetes.Interface
	var there taken

	BeforeAll(func(ctx SpecContext) {
		name, runs = fmt.Sprintf("existing-%d", os.Getpid()), GinkgoT().TempDir()
		code, out := sparkchaos("cluster", "up", "--name", name)
		Expect(code).To(Equal(0), out)
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--name", name)
			Expect(code).To(Equal(0), "the cluster goes with everything")
		})
		lab, client = open(name)
		there = take(ctx, lab, "embedded")
	}, NodeTimeout(specTimeout))

	// Before the scenarios, which it runs: that the role is enough is seen by their passing.
	It("lists what its user may not do, with a role that would do", func(ctx SpecContext) {
		config := asServiceAccount(ctx, client, lab)
		flags := slices.Concat(there.flags, there.by(config)) // the later of two flags counts
		code, out := elsewhere(GinkgoT().TempDir(), slices.Concat([]string{"run", "executor-pod-kill", "--out", runs}, flags)...)
		Expect(code).To(Equal(3), out)
		Expect(out).To(ContainSubstring("create namespaces"))
		grant(ctx, client, out)
		there.flags = flags
	}, SpecTimeout(specTimeout))

	for _, s := range shipped() {
		if !slices.Contains(onExisting(), s.Metadata.Name) {
			continue
		}
		It(s.Metadata.Name+" has the same verdict as on a cluster of its own", func(ctx SpecContext) {
			directory, info := runShipped(ctx, s, runs, name, there.flags...)
			Expect(info.Environment.ClusterKind).To(Equal("existing"))
			history, err := os.ReadFile(filepath.Join(directory, "history.ndjson"))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(history)).To(ContainSubstring(`"type":"clocksMeasured"`))
			Expect(string(history)).To(ContainSubstring(`"via":"http"`), "the witness in the cluster is followed")
			Expect(string(history)).To(MatchRegexp(`"type":"disksCollected".*"records":[1-9]`), "the nodes' disks are read")
			expectNothingDisturbed(ctx, lab, client)
			expectNothingOfHarness(ctx, client)
		}, SpecTimeout(specTimeout))
	}

	It("has Chaos Mesh as a pod for a run that needs it", func(ctx SpecContext) {
		images := load(ctx, lab, image.ChaosMesh, image.Pause)
		flags := slices.Concat(there.admin, []string{"--chaos-mesh-image", images[0], "--chaos-mesh-pause-image", images[1]})
		for _, s := range shipped() {
			if s.Metadata.Name == forWholeRun {
				runShipped(ctx, s, runs, name, flags...)
			}
		}
		expectNothingDisturbed(ctx, lab, client)
		expectNothingOfHarness(ctx, client)
		_, err := client.CoreV1().Namespaces().Get(ctx, chaosmesh.Namespace, metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "Chaos Mesh goes with the run: %v", err)
	}, SpecTimeout(specTimeout))

	It("is kept from a second harness, and cleaned up from another machine after a run that was killed", func(ctx SpecContext) {
		one, other := GinkgoT().TempDir(), GinkgoT().TempDir() // machines
		h := startHarness(name, fmt.Sprintf(short, strike("nodePowerOff"), ""), func(h *harness) {
			h.Args = append(h.Args, there.flags...)
			h.Env = append(h.Env, paths.StateVariable+"="+one)
		})
		h.awaitEvent(ctx, `"type":"landed"`)
		code, out := elsewhere(other, slices.Concat([]string{"run", "executor-pod-kill", "--out", runs}, there.flags)...)
		Expect(code).To(Equal(3), out)
		Expect(out).To(ContainSubstring("is held by process %d", h.Process.Pid))
		Expect(h.Process.Kill()).To(Succeed())
		_ = h.Wait() // killed is what it is to be
		Expect(verdictOf(h)).NotTo(Equal(check.Pass), "a run that was killed must never pass")

		code, out = elsewhere(one, "cleanup")
		Expect(code).To(Equal(0), out)
		Expect(out).To(And(ContainSubstring("is not cleaned up after: `sparkchaos cleanup --"), ContainSubstring("--cluster=existing")), "no context was allowed")
		code, out = elsewhere(other, slices.Concat([]string{"cleanup"}, reaching(there.flags))...)
		Expect(code).To(Equal(0), out)
		Expect(out).To(ContainSubstring("fault strike of run"))
		expectNothingDisturbed(ctx, lab, client)
		expectNothingOfHarness(ctx, client)
		code, out = elsewhere(one, slices.Concat([]string{"cleanup"}, reaching(there.flags))...)
		Expect(code).To(Equal(0), "the machine of the run finds it done: %s", out)
	}, SpecTimeout(specTimeout))
})

// reaching leaves out the flags that only a run has.
func reaching(flags []string) []string {
	var kept []string
	for i := 0; i < len(flags); i++ {
		switch flags[i] {
		case "--image", "--shared-storage-class", "--local-storage-class":
			i++
		default:
			kept = append(kept, flags[i])
		}
	}
	return kept
}

// serviceAccount is a user of the cluster that may do nothing at first.
const serviceAccount = "harness"

// asServiceAccount returns a kubeconfig of a service account of its own.
func asServiceAccount(ctx context.Context, client kubernetes.Interface, lab *embedded.Cluster) *api.Config {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: serviceAccount, Namespace: "default"}}
	_, err := client.CoreV1().ServiceAccounts("default").Create(ctx, account, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	hour := int64(3600)
	token, err := client.CoreV1().ServiceAccounts("default").CreateToken(ctx, serviceAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	kubeconfig, err := lab.Kubeconfig()
	Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.Load(kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	config.AuthInfos = map[string]*api.AuthInfo{serviceAccount: {Token: token.Status.Token}}
	config.Contexts[config.CurrentContext].AuthInfo = serviceAccount
	return config
}

// grant gives the service account the role that the harness proposed.
func grant(ctx context.Context, client kubernetes.Interface, said string) {
	GinkgoHelper()
	_, proposed, found := strings.Cut(said, "this cluster role would do:\n")
	Expect(found).To(BeTrue(), said)
	proposed, _, _ = strings.Cut(proposed, "\n\n")
	var role rbacv1.ClusterRole
	Expect(yaml.UnmarshalStrict([]byte(proposed), &role)).To(Succeed(), proposed)
	_, err := client.RbacV1().ClusterRoles().Create(ctx, &role, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: serviceAccount, Namespace: "default"}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
}

// expectNothingOfHarness looks for the harness's own namespace.
func expectNothingOfHarness(ctx context.Context, client kubernetes.Interface) {
	GinkgoHelper()
	_, err := client.CoreV1().Namespaces().Get(ctx, existing.Namespace, metav1.GetOptions{})
	Expect(apierrors.IsNotFound(err)).To(BeTrue(), "namespace %s: %v", existing.Namespace, err)
}
