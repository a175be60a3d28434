package anchor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Names of Kubernetes' kinds and pod phases as they stand in objects.
const (
	kindPod      = "Pod"
	kindJob      = "Job"
	phaseRunning = "Running"
	phaseDone    = "Succeeded"
)

// object is as much of a Kubernetes object as anchors look at.
type object struct {
	Metadata struct {
		Name              string  `json:"name"`
		UID               string  `json:"uid"`
		CreationTimestamp string  `json:"creationTimestamp"`
		DeletionTimestamp *string `json:"deletionTimestamp"`
		OwnerReferences   []struct {
			Kind string `json:"kind"`
			UID  string `json:"uid"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase      string `json:"phase"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (o object) ownedByJob(uid string) bool {
	for _, owner := range o.Metadata.OwnerReferences {
		if owner.Kind == kindJob && owner.UID == uid {
			return true
		}
	}
	return false
}

// pod is one pod as last seen.
type pod struct {
	object
	first   int64 // the event that showed it first
	placed  int64 // the event that showed its node first
	running int64 // the event that showed it Running first, not being deleted; 0: never
	done    int64 // the event that showed it Succeeded first; 0: never
	deleted bool
}

func (p *pod) live() bool {
	return p.Status.Phase == phaseRunning && p.Metadata.DeletionTimestamp == nil && !p.deleted
}

// drivers follows the driver's pods: the incarnations of the workload that was launched last.
type drivers struct {
	workload history.WorkloadData
	// pods holds every pod that a Job or nobody owns: watches are not in order with the harness's own events, so a
	// driver's pod may be seen before it is known which object is the driver.
	pods   map[string]*pod
	broken int // events that could not be read
}

// observe returns whether the event changed anything.
func (d *drivers) observe(e history.Event) bool {
	switch {
	case e.Source == history.Harness && e.Type == history.WorkloadLaunched:
		var workload history.WorkloadData
		if json.Unmarshal(e.Data, &workload) != nil {
			d.broken++
			return false
		}
		d.workload = workload
		return true
	case e.Source == history.Kubernetes && e.Object != nil && e.Object.Kind == kindPod:
		return d.observePod(e)
	default:
		return false
	}
}

func (d *drivers) observePod(e history.Event) bool {
	if e.Type != history.Added && e.Type != history.Modified && e.Type != history.Deleted {
		return false
	}
	var o object
	if json.Unmarshal(e.Data, &o) != nil || o.Metadata.UID == "" {
		d.broken++
		return false
	}
	p := d.pods[o.Metadata.UID]
	if p == nil {
		if !eligible(o) {
			return false
		}
		if d.pods == nil {
			d.pods = map[string]*pod{}
		}
		p = &pod{first: e.Seq}
		d.pods[o.Metadata.UID] = p
	}
	p.object = o
	p.deleted = e.Type == history.Deleted
	if p.placed == 0 && o.Spec.NodeName != "" {
		p.placed = e.Seq
	}
	if p.running == 0 && p.live() {
		p.running = e.Seq
	}
	if p.done == 0 && o.Status.Phase == phaseDone {
		p.done = e.Seq
	}
	return true
}

// eligible says whether a pod may be a driver's: executors are owned by their driver's pod.
func eligible(o object) bool {
	for _, owner := range o.Metadata.OwnerReferences {
		if owner.Kind == kindPod {
			return false
		}
	}
	return true
}

// incarnations returns the driver's pods in the order of their creation.
func (d *drivers) incarnations() []*pod {
	var found []*pod
	for _, p := range d.pods {
		if d.workload.DriverUID != "" && (p.Metadata.UID == d.workload.DriverUID || p.ownedByJob(d.workload.DriverUID)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *pod) int {
		return cmp.Or(strings.Compare(a.Metadata.CreationTimestamp, b.Metadata.CreationTimestamp), cmp.Compare(a.first, b.first))
	})
	return found
}

// live returns the newest incarnation if it runs and is not being deleted; nil if there is none.
func (d *drivers) live() *pod {
	incarnations := d.incarnations()
	for _, p := range slices.Backward(incarnations) {
		if p.live() {
			return p
		}
	}
	return nil
}

// String says what is known of the driver's pods.
func (d *drivers) String() string {
	incarnations := d.incarnations()
	if len(incarnations) == 0 {
		return "no pod of the driver was seen"
	}
	var words []string
	for i, p := range incarnations {
		word := fmt.Sprintf("incarnation %d (pod %s) is %s", i+1, p.Metadata.Name, cmp.Or(p.Status.Phase, "without a phase"))
		if p.Spec.NodeName != "" {
			word += " on node " + p.Spec.NodeName
		}
		switch {
		case p.deleted:
			word += " and gone"
		case p.Metadata.DeletionTimestamp != nil:
			word += " and being deleted"
		}
		words = append(words, word)
	}
	if d.broken > 0 {
		words = append(words, plural(d.broken, "event could not be read", "events could not be read"))
	}
	return strings.Join(words, ", ")
}

// record decodes a witness event of one of the types; false: it is another one, or cannot be read.
func record(e history.Event, types ...string) (history.WitnessRecord, bool) {
	if e.Source != history.Witness || !slices.Contains(types, e.Type) {
		return history.WitnessRecord{}, false
	}
	var r history.WitnessRecord
	if json.Unmarshal(e.Data, &r) != nil {
		return history.WitnessRecord{}, false
	}
	if r.Incarnation == "" && r.Role == "driver" {
		r.Incarnation = r.PodUID
	}
	return r, true
}
