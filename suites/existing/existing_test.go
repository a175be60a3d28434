//go:build linux

package existing_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

	"github.com/sparkchaos/sparkchaos/internal/chaosmesh"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

func TestExisting(t *testing.T) { support.RunSuite(t, "existing clusters", support.ClusterTests) }

// onExisting are the shipped scenarios whose verdict must not depend on who made the cluster.
func onExisting() []string {
	return []string{"driver-node-power-off", "driver-node-isolated", "driver-as-pod"}
}

// The cluster of this process, as its owner and as somebody else who uses it sees it.
var (
	name, runs string
	lab        *embedded.Cluster
	client     kubernetes.Interface
	there      support.Taken
	// asUser are the flags of somebody who may do what the harness says that it needs, and nothing else.
	asUser []string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	support.OwnState()
	name, runs = fmt.Sprintf("existing-%d", os.Getpid()), support.RunsDirectory()
	lab, client = support.UpEmbedded(name)
	there = support.Take(ctx, lab, "embedded")
	asUser = grantWhatIsLacking(ctx)
}, NodeTimeout(support.SpecLimit))

// grantWhatIsLacking has the harness list what a user may not do who may do nothing, and grants the role that it proposes. The specs
// show that the role is enough.
func grantWhatIsLacking(ctx context.Context) []string {
	GinkgoHelper()
	flags := slices.Concat(there.Flags, there.By(asServiceAccount(ctx, client, lab))) // the later of two flags counts
	code, out := support.Elsewhere(GinkgoT().TempDir(), slices.Concat([]string{"run", "executor-pod-kill", "--out", runs}, flags)...)
	Expect(code).To(Equal(3), out)
	Expect(out).To(ContainSubstring("create namespaces"))
	grant(ctx, client, out)
	return flags
}

var _ = Describe("existing clusters", Label("existing"), func() {
	for _, s := range support.Select(onExisting()...) {
		It(s.Metadata.Name+" has the same verdict as on a cluster of its own", func(ctx SpecContext) {
			directory, info := support.RunShipped(s, runs, name, asUser...)
			Expect(info.Environment.ClusterKind).To(Equal("existing"))
			history, err := os.ReadFile(filepath.Join(directory, "history.ndjson"))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(history)).To(ContainSubstring(`"type":"clocksMeasured"`))
			Expect(string(history)).To(ContainSubstring(`"via":"http"`), "the witness in the cluster is followed")
			Expect(string(history)).To(MatchRegexp(`"type":"disksCollected".*"records":[1-9]`), "the nodes' disks are read")
			support.ExpectNothingDisturbed(ctx, lab, client)
			support.ExpectNothingOfHarness(ctx, client)
		}, SpecTimeout(support.SpecLimit))
	}

	It("has Chaos Mesh as a pod for a run that needs it", func(ctx SpecContext) {
		images := support.Load(ctx, lab, image.ChaosMesh, image.Pause)
		flags := slices.Concat(there.Flags, []string{"--chaos-mesh-image", images[0], "--chaos-mesh-pause-image", images[1]})
		support.RunShipped(support.Select(support.ForWholeRun)[0], runs, name, flags...)
		support.ExpectNothingDisturbed(ctx, lab, client)
		support.ExpectNothingOfHarness(ctx, client)
		_, err := client.CoreV1().Namespaces().Get(ctx, chaosmesh.Namespace, metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "Chaos Mesh goes with the run: %v", err)
	}, SpecTimeout(support.SpecLimit))

	It("is kept from a second harness, and cleaned up from another machine after a run that was killed", func(ctx SpecContext) {
		one, other := GinkgoT().TempDir(), GinkgoT().TempDir() // machines
		h := support.StartProcess(name, fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""), func(h *support.Process) {
			h.Args = append(h.Args, asUser...)
			h.Env = append(h.Env, paths.StateVariable+"="+one)
		})
		h.AwaitEvent(ctx, `"type":"landed"`)
		code, out := support.Elsewhere(other, slices.Concat([]string{"run", "executor-pod-kill", "--out", runs}, asUser)...)
		Expect(code).To(Equal(3), out)
		Expect(out).To(ContainSubstring("is held by process %d", h.Process.Pid))
		h.End(h.Process.Kill)
		Expect(h.Verdict().Verdict).NotTo(Equal(check.Pass), "a run that was killed must never pass")

		code, out = support.Elsewhere(one, "cleanup")
		Expect(code).To(Equal(0), out)
		Expect(out).To(And(ContainSubstring("is not cleaned up after: `sparkchaos cleanup --"), ContainSubstring("--cluster=existing")),
			"no context was allowed")
		code, out = support.Elsewhere(other, slices.Concat([]string{"cleanup"}, reaching(asUser))...)
		Expect(code).To(Equal(0), out)
		Expect(out).To(ContainSubstring("fault strike of run"))
		support.ExpectNothingDisturbed(ctx, lab, client)
		support.ExpectNothingOfHarness(ctx, client)
		code, out = support.Elsewhere(one, slices.Concat([]string{"cleanup"}, reaching(asUser))...)
		Expect(code).To(Equal(0), "the machine of the run finds it done: %s", out)
	}, SpecTimeout(support.SpecLimit))
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
