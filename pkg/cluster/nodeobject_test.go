package cluster_test

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestNodeLease(t *testing.T) {
	t.Parallel()
	const node = "worker-1"
	seconds := int32(8)
	renewals := func(at ...int64) []*metav1.MicroTime {
		var all []*metav1.MicroTime
		for _, second := range at {
			all = append(all, &metav1.MicroTime{Time: time.Unix(second, 0)})
		}
		return all
	}
	tests := map[string]struct {
		seen            []*metav1.MicroTime // at looks 2 s apart
		lasts           *int32
		renewed, silent bool
	}{
		"one look":                            {seen: renewals(0), lasts: &seconds},
		"renewed":                             {seen: renewals(0, 0, 3), lasts: &seconds, renewed: true},
		"renewed and then not":                {seen: renewals(0, 3, 3, 3, 3), lasts: &seconds, renewed: true, silent: true},
		"not renewed for as long as two take": {seen: renewals(0, 0, 0), lasts: &seconds},
		"silent":                              {seen: renewals(0, 0, 0, 0), lasts: &seconds, silent: true},
		"silent, and renewed again":           {seen: renewals(0, 0, 0, 0, 9), lasts: &seconds, renewed: true},
		"the time that kubelet chooses if it is not told": {seen: renewals(0, 0, 0, 0)},
		"never renewed before":                            {seen: append([]*metav1.MicroTime{nil}, renewals(1)...), lasts: &seconds},
		"a clock that was put back is a renewal, too":     {seen: renewals(9, 3), lasts: &seconds, renewed: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: node}}
			client := fake.NewClientset(lease)
			watched := cluster.NodeLease{Node: node}
			now := time.Unix(1000, 0)
			for _, renewed := range test.seen {
				lease.Spec = coordinationv1.LeaseSpec{RenewTime: renewed, LeaseDurationSeconds: test.lasts}
				if _, err := client.CoordinationV1().Leases(lease.Namespace).Update(t.Context(), lease, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := watched.Look(t.Context(), client, func() time.Time { return now }); err != nil {
					t.Fatal(err)
				}
				now = now.Add(2 * time.Second)
			}
			if watched.Renewed() != test.renewed || watched.Silent() != test.silent {
				t.Errorf("renewed: %t, silent: %t, want %t and %t; %v", watched.Renewed(), watched.Silent(), test.renewed, test.silent, &watched)
			}
		})
	}
}

func TestNodeLeaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	lease := cluster.NodeLease{Node: "worker-1"}
	if err := lease.Look(t.Context(), fake.NewClientset(), time.Now); err == nil || lease.Silent() || lease.Renewed() {
		t.Errorf("Look = %v, silent: %t, renewed: %t; a lease that cannot be seen tells nothing", err, lease.Silent(), lease.Renewed())
	}
}
