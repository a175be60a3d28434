//go:build linux

package kind

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestConfigurationSaysWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"own-network": true, "kindnet": false} {
		config, err := configuration(Options{Name: "lab", Workers: 2, Timing: cluster.Production()}, "/state/kind/lab/shared", own)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", name+".yaml"), text, *update)
	}
}

// The file in the root is used without this program, too: its knobs must be those of the timing that it says.
func TestTheFileHasFastTiming(t *testing.T) {
	t.Parallel()
	config, err := configuration(Options{Name: "lab", Workers: 3, Timing: cluster.Fast()}, "/shared", false)
	if err != nil {
		t.Fatal(err)
	}
	inFile, ours := config.KubeadmConfigPatches[:2], config.KubeadmConfigPatches[2:]
	for i, patch := range ours {
		var want, got map[string]any
		if err := errors.Join(yaml.Unmarshal([]byte(patch), &want), yaml.Unmarshal([]byte(inFile[i]), &got)); err != nil {
			t.Fatal(err)
		}
		delete(want, "failCgroupV1") // is for machines that the file alone is not made for
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("patch %d of kind-config.yaml (-want +got):\n%s", i, diff)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	rest := " S 7" + strings.Repeat(" 0", 17) + " 4711 0"
	for name, tt := range map[string]struct {
		stat string
		want process
		bad  bool
	}{
		"plain":           {"12 (kubelet)" + rest, process{12, 7, "kubelet", "4711"}, false},
		"brackets inside": {"12 (a) (b c)" + rest, process{12, 7, "a) (b c", "4711"}, false},
		"empty":           {"", process{}, true},
		"cut off":         {"12 (kubelet) S 7 0", process{}, true},
		"no number":       {"12 (kubelet) S x" + strings.Repeat(" 0", 20), process{}, true},
	} {
		got, err := parseStat(12, []byte(tt.stat))
		if (err != nil) != tt.bad || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (kubelet) S 7" + strings.Repeat(" 0", 18)))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if p, err := parseStat(1, stat); err == nil && p.started == "" {
			t.Errorf("%q has no start time", stat)
		}
	})
}

func TestDescendantsAreThisProcessToo(t *testing.T) {
	t.Parallel()
	own := descendants(os.Getpid())
	if len(own) == 0 || own[0].pid != os.Getpid() || !own[0].alive() {
		t.Errorf("descendants of this process: %+v", own)
	}
	if gone := descendants(0); gone != nil {
		t.Errorf("descendants of no process: %+v", gone)
	}
}

func someNode(name, address string) container {
	c := container{Name: "/" + name}
	c.NetworkSettings.Networks = map[string]struct {
		IPAddress string `json:"IPAddress"`
	}{networkName: {address}}
	return c
}

func TestRoutingScript(t *testing.T) {
	t.Parallel()
	nodes := []container{someNode("lab-control-plane", "172.18.0.2"), someNode("lab-worker", "172.18.0.3"), someNode("lab-worker2", "")}
	ranges := map[string]string{"lab-control-plane": "10.244.0.0/24", "lab-worker": "10.244.1.0/24", "lab-worker2": "10.244.2.0/24"}
	golden.Compare(t, filepath.Join("testdata", "routing.sh"), []byte(routingScript(nodes[1], nodes, ranges)), *update)
}

func TestDiskShowsTheVolumeAlone(t *testing.T) {
	t.Parallel()
	disk := diskFS{fstest.MapFS{"lib/witness/records": {Data: []byte("seen")}}}
	if data, err := fs.ReadFile(disk, "var/lib/witness/records"); err != nil || string(data) != "seen" {
		t.Errorf("read %q, %v", data, err)
	}
	if entries, err := fs.ReadDir(disk, "var"); err != nil || len(entries) != 1 {
		t.Errorf("/var holds %v, %v", entries, err)
	}
	for _, name := range []string{"etc/passwd", "variant", "var/lib/none"} {
		if _, err := disk.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that it does not exist", name, err)
		}
	}
	if _, err := disk.Open("../etc"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a way out of the disk: %v", err)
	}
}

func TestRecordsAreKept(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	d := directoryOf(state, "lab")
	if _, err := d.load(); !absent(err) {
		t.Errorf("load = %v though there is none", err)
	}
	want := record{Name: "lab", Engine: Docker, Workers: 3, Timing: cluster.Fast()}
	if err := d.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	for _, node := range []string{"lab-worker", "lab-worker2"} {
		if err := d.changeNodes(func(s nodeState) { s.Routes[node] = []route{{Gateway: "172.18.0.1"}} }); err != nil {
			t.Fatal(err)
		}
	}
	wantNodes := nodeState{Images: map[string][]string{},
		Routes: map[string][]route{"lab-worker": {{Gateway: "172.18.0.1"}}, "lab-worker2": {{Gateway: "172.18.0.1"}}}}
	if known, err := d.loadNodes(); err != nil || !cmp.Equal(wantNodes, known) {
		t.Errorf("nodes %+v, %v; want %+v", known, err, wantNodes)
	}
	if names, err := (Provider{State: state}).Names(); err != nil || len(names) != 1 || names[0] != "lab" {
		t.Errorf("Names = %v, %v", names, err)
	}
}

func TestVolumesAreMadeAnewWhenTheirClaimIsGone(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	disk, err := os.OpenRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	c := &Cluster{record: record{Name: "lab"}}
	client := fake.NewClientset()
	v := sharedVolume(0)
	directory := filepath.Join(parent, v.Name)
	leftover := filepath.Join(directory, "leftover")
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "run-1", Name: "shared", UID: "claim-1"}}
	if _, err := client.CoreV1().PersistentVolumeClaims(claim.Namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		before bool                    // there is a volume
		holder *corev1.ObjectReference // that holds it
		kept   bool
	}{
		{name: "the first time"},
		{"never claimed", true, nil, true},
		{"claimed", true, &corev1.ObjectReference{Namespace: "run-1", Name: "shared", UID: "claim-1"}, true},
		{"claimed by one that is gone", true, &corev1.ObjectReference{Namespace: "run-1", Name: "other", UID: "claim-2"}, false},
		{"claimed by an earlier one of the name", true, &corev1.ObjectReference{Namespace: "run-1", Name: "shared", UID: "claim-0"}, false},
	} {
		if tt.before {
			now, err := client.CoreV1().PersistentVolumes().Get(t.Context(), v.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			now.Spec.ClaimRef = tt.holder
			if _, err := client.CoreV1().PersistentVolumes().Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(leftover, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.renew(context.Background(), client, v, disk, "."); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(directory)
		if err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("%s: directory %v, %v; want one that all can write to", tt.name, info, err)
		}
		if _, err := os.Stat(leftover); (err == nil) != tt.kept {
			t.Errorf("%s: what was in it: %v, want kept %v", tt.name, err, tt.kept)
		}
	}
}

func TestWhatIsNotOursIsNotTouched(t *testing.T) {
	t.Parallel()
	existed, err := Provider{State: t.TempDir(), Engine: "no-such-engine"}.Down(t.Context(), "somebody-elses")
	if existed || err != nil {
		t.Errorf("Down of a cluster without a record: %v, %v; want that nothing was done", existed, err)
	}
}

func TestEachActionCanBeDone(t *testing.T) {
	t.Parallel()
	table := actions()
	for _, name := range cluster.Actions() {
		if act, ok := table[name]; !ok || act.Do == nil || act.Limit <= 0 {
			t.Errorf("%s: %+v, want what to do and a limit", name, act)
		}
	}
}

func TestAnEngineThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	if err := Engine("no-such-engine").Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no-such-engine is not installed") {
		t.Errorf("Check = %v", err)
	}
}

func TestParseGateway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ out, want, says string }{
		"Docker": {out: `[{"Name":"kind","IPAM":{"Driver":"default","Config":[{"Subnet":"fc00::/64","Gateway":"fc00::1"},` +
			`{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}]}}]`, want: "172.18.0.1"},
		"Podman": {out: `[{"name":"kind","driver":"bridge","subnets":[{"subnet":"fc00::/64","gateway":"fc00::1"},{"subnet":"10.89.0.0/24",` +
			`"gateway":"10.89.0.1"}],"ipv6_enabled":true}]`, want: "10.89.0.1"},
		"IPv6 only": {out: `[{"subnets":[{"gateway":"fc00::1"}]}]`, says: `has the gateways ["fc00::1"]: expected one of IPv4`},
		"none":      {out: `[]`, says: "expected one of IPv4"},
		"no JSON":   {out: `Error`, says: "what the container engine says about network kind"},
	} {
		got, err := parseGateway(tt.out)
		if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q, %v, want %q and %q", name, got, err, tt.want, tt.says)
		}
	}
}

func FuzzParseGateway(f *testing.F) {
	f.Add(`[{"IPAM":{"Config":[{"Gateway":"172.18.0.1"}]}}]`)
	f.Fuzz(func(t *testing.T, out string) {
		if gateway, err := parseGateway(out); err == nil && strings.Contains(gateway, ":") {
			t.Errorf("%q is taken for an IPv4 address", gateway)
		}
	})
}

func TestAPausedContainerRuns(t *testing.T) {
	t.Parallel()
	for engine, out := range map[string]string{
		"Docker": `[{"Name":"/w","State":{"Running":true,"Paused":true,"Pid":7}}]`,
		"Podman": `[{"Name":"w","State":{"Running":false,"Paused":true,"Pid":7}}]`,
	} {
		found, err := parseContainers(out)
		if err != nil || len(found) != 1 || !found[0].State.Running || !found[0].State.Paused || found[0].name() != "w" {
			t.Errorf("%s: %+v, %v", engine, found, err)
		}
	}
	if found, err := parseContainers(`[{"Name":"w","State":{"Running":false,"Paused":false}}]`); err != nil || found[0].State.Running {
		t.Errorf("one that ended: %+v, %v", found, err)
	}
}
