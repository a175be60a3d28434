package chaosmesh

import (
	"strings"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

func TestInstanceOf(t *testing.T) {
	t.Parallel()
	secret := "key"
	duration := deadline.String()
	for providerID, want := range map[string]chaosmesh.Spec{
		"aws:///eu-west-1b/i-0abc": v1alpha1.AWSChaosSpec{
			Action: v1alpha1.Ec2Stop, SecretName: &secret, Duration: &duration,
			AWSSelector: v1alpha1.AWSSelector{AWSRegion: "eu-west-1", Ec2Instance: "i-0abc"},
		},
		"gce://my-project/europe-west1-b/node-7": v1alpha1.GCPChaosSpec{
			Action: v1alpha1.NodeStop, SecretName: &secret, Duration: &duration,
			GCPSelector: v1alpha1.GCPSelector{Project: "my-project", Zone: "europe-west1-b", Instance: "node-7"},
		},
		"azure:///subscriptions/s-1/resourceGroups/group/providers/Microsoft.Compute/virtualMachines/vm-2": v1alpha1.AzureChaosSpec{
			Action: v1alpha1.AzureVmStop, Duration: &duration,
			AzureSelector: v1alpha1.AzureSelector{SubscriptionID: "s-1", ResourceGroupName: "group", VMName: "vm-2", SecretName: &secret},
		},
	} {
		instance, err := instanceOf(providerID, "eu-west-1")
		if err != nil {
			t.Errorf("%s: %v", providerID, err)
			continue
		}
		if diff := cmp.Diff(want, instance.spec(secret)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", providerID, diff)
		}
	}
	for providerID, says := range map[string]string{
		"": "expected that of an instance", "kind://docker/kind/worker": "expected aws:///", "aws:///zone": "expected aws:///",
		"gce://p//i": "expected that of an instance",
		"azure:///subscriptions/s/resourceGroups/g/" +
			"providers/Microsoft.Compute/virtualMachineScaleSets/x/virtualMachines/0": "no machine of a scale set",
	} {
		if _, err := instanceOf(providerID, "eu-west-1"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", providerID, err, says)
		}
	}
	if _, err := instanceOf("aws:///zone/i-1", ""); err == nil || !strings.Contains(err.Error(), "topology.kubernetes.io/region") {
		t.Errorf("without a region: %v", err)
	}
}

func FuzzInstanceOf(f *testing.F) {
	f.Add("aws:///eu-west-1b/i-0abc", "eu-west-1")
	f.Add("gce://p/z/i", "")
	f.Fuzz(func(t *testing.T, providerID, region string) {
		instance, err := instanceOf(providerID, region)
		if err == nil && (instance.kind == "" || instance.spec("key") == nil) {
			t.Errorf("%q is taken for nothing", providerID)
		}
	})
}

func TestACloudThatStopsNothingIsNoticed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		setup func(*faultstest.World)
		says  string
	}{
		"a claim alone":       {func(w *faultstest.World) { w.Chaos.Mute = true }, "still renews its lease"},
		"no way to the cloud": {func(w *faultstest.World) { w.Env.CloudSecret = nil }, "--cloud-secret"},
	} {
		w := newWorld(t)
		tt.setup(w)
		w.Env.LandWithin = 300 * time.Millisecond
		fault := Stop(faultstest.NodeNamed("worker-1"), false, 0)
		d, err := faults.NewDisturbance("f", "nodeShutdown", nil, faultstest.Impatient{Fault: fault}, w.Env)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Inject(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}
