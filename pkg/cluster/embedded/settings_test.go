//go:build linux

package embedded

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestSettings(t *testing.T) {
	t.Parallel()
	kubelet, err := kubeletConfig(cluster.Fast(), "/sparkchaos/lab-123456/worker-1", map[string]string{"memory": "20000Mi"}, maxPodPIDs, false)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := kubeProxyConfig()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"kubelet.yaml": kubelet, "kube-proxy.yaml": proxy, "containerd.toml": containerdConfig("docker.io/sparkchaos/pause:1", false),
		"pods.conflist": cniConfig(network.NodePodCIDR(1)), "Corefile": corefile(), "hosts": hostsFile(2), "dbus.conf": dbusConfig(),
	} {
		golden.Compare(t, filepath.Join("testdata", name), []byte(got), *update)
	}
}

func TestTracedComponents(t *testing.T) {
	t.Parallel()
	plain, err := kubeletConfig(cluster.Fast(), "/c", nil, maxPodPIDs, false)
	if err != nil {
		t.Fatal(err)
	}
	traced, err := kubeletConfig(cluster.Fast(), "/c", nil, maxPodPIDs, true)
	if err != nil {
		t.Fatal(err)
	}
	const said = "tracing:\n  endpoint: 172.30.0.1:4317\n  samplingRatePerMillion: 1000000\n"
	if strings.Contains(plain, "tracing:") || !strings.Contains(traced, said) {
		t.Errorf("the kubelet that exports spans has\n%s\nand the other one\n%s", traced, plain)
	}
	if config := containerdConfig("pause", true); strings.Contains(config, "tracing") || !strings.Contains(config, "nri") {
		t.Errorf("containerd's plugins for tracing are not to be disabled:\n%s", config)
	}
	spec := machine.Spec{Files: map[string]string{}, Services: apiServices()}
	if err := traceControlPlane(&spec); err != nil {
		t.Fatal(err)
	}
	flagged := 0
	for _, service := range spec.Services {
		if slices.Contains(service.Command, "--tracing-config-file=/etc/kubernetes/tracing.yaml") {
			flagged++
		}
	}
	if file := spec.Files["/etc/kubernetes/tracing.yaml"]; flagged != 1 || !strings.Contains(file, "kind: TracingConfiguration") ||
		!strings.Contains(file, "endpoint: 172.30.0.1:4317") {
		t.Errorf("%d services have the file\n%s", flagged, file)
	}
	services := nodeServices("worker-1", "10.0.0.1")
	traceContainerd(services, "worker-1")
	for _, service := range services {
		exports := slices.Contains(service.Env, "OTEL_RESOURCE_ATTRIBUTES=host.name=worker-1")
		if exports != (service.Name == containerdService) {
			t.Errorf("%s exports spans: %t", service.Name, exports)
		}
	}
}

func TestCapacityIsAShareOfTheHost(t *testing.T) {
	t.Parallel()
	h := host{cpus: 8, memory: 32 << 10}
	for name, tt := range map[string]struct {
		capacity Capacity
		want     map[string]string
		err      string
	}{
		"a share":         {Capacity{CPUs: 2, Memory: 3 << 10}, map[string]string{"cpu": "6", "memory": "29696Mi"}, ""},
		"the whole host":  {Capacity{CPUs: 8, Memory: 32 << 10}, map[string]string{}, ""},
		"too many CPUs":   {Capacity{CPUs: 9, Memory: 1024}, nil, "expected 1 to 8"},
		"no CPU":          {Capacity{CPUs: 0, Memory: 1024}, nil, "expected 1 to 8"},
		"too much memory": {Capacity{CPUs: 1, Memory: 33 << 10}, nil, "expected 256 to 32768"},
		"too little":      {Capacity{CPUs: 1, Memory: 10}, nil, "expected 256"},
	} {
		got, err := tt.capacity.reserved(h)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want %q", name, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()
	if got, err := parseMemory("MemFree: 1 kB\nMemTotal:       25165824 kB\n"); err != nil || got != 24<<10 {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range []string{"", "MemTotal:", "MemTotal: many kB"} {
		if got, err := parseMemory(bad); err == nil {
			t.Errorf("%q gave %d", bad, got)
		}
	}
}

func TestOptionsNameEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	err := Options{Name: "Not a name", Workers: 0, Port: 70000, Images: []string{"/none.tar"}}.check()
	for _, part := range []string{"cluster's name", "0 workers", "port 70000", "/none.tar"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %q", err, part)
		}
	}
	if err := (Options{Name: "lab", Workers: 3}).check(); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, valid := range map[string]bool{
		"a": true, "lab-1": true, strings.Repeat("a", 32): true,
		"": false, "-a": false, "a-": false, "a/b": false, "..": false, "A": false, strings.Repeat("a", 33): false,
	} {
		if err := cluster.CheckName(name); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", name, err, valid)
		}
	}
}

func TestRecordsSurviveAndDamageIsNamed(t *testing.T) {
	t.Parallel()
	d := clusterDirectory(t.TempDir(), "lab")
	want := record{Version: recordVersion, Name: "lab", Phase: running, Workers: 3, Timing: cluster.Fast(), Created: time.Unix(1, 0).UTC()}
	if err := d.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.load()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	want.Version++
	if err := d.save(want); err != nil {
		t.Fatal(err)
	}
	if _, err := d.load(); err == nil || !strings.Contains(err.Error(), "another sparkchaos wrote it") {
		t.Errorf("of another version: %v", err)
	}
	if err := os.WriteFile(d.record(), []byte(`{"name": `), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.load(); err == nil || !strings.Contains(err.Error(), "cluster down") {
		t.Errorf("damaged: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(d.root, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestWorkersAreSortedByNumber(t *testing.T) {
	t.Parallel()
	d := clusterDirectory(t.TempDir(), "lab")
	for _, name := range []string{"worker-10", "worker-2", "control-plane", "worker-1"} {
		var m machineRecord
		m.Spec.Name = name
		if err := d.saveMachine(m); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"worker-1", "worker-2", "worker-10"}, d.machineNames()); diff != "" {
		t.Error(diff)
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
