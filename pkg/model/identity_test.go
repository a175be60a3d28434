package model

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// TestOutlives compares the last sign of life of a driver on n1, at 10 s, with the end of its pod.
func TestOutlives(t *testing.T) {
	t.Parallel()
	fault := func(kind, node string, from, to int64) []*Fault { return []*Fault{landedFault(kind, node, from, to)} }
	unproven := landedFault("nodeFreeze", "n1", 9_000, 0)
	unproven.Landed = Moment{}
	seenLate := ms(30_000)
	seenLate.Since = ms(12_000).At
	for name, c := range map[string]struct {
		faults []*Fault
		gone   Moment
		slack  time.Duration
		want   bool
	}{
		"it never ended":                          {nil, Moment{}, 0, false},
		"it ended as soon as that is told":        {nil, ms(15_000), 0, false},
		"it ended later":                          {nil, ms(15_001), 0, true},
		"it ended soon, and was seen late":        {nil, seenLate, 0, false},
		"its clock may be that wrong":             {nil, ms(15_001), second, false},
		"its clock cannot be that wrong":          {nil, ms(16_001), second, true},
		"the fault ended the process":             {fault("nodePowerOff", "n1", 10_000, 0), ms(40_000), 0, false},
		"the fault hid the node as the pod ended": {fault("nodeIsolate", "n1", 40_000, 0), ms(40_000), 0, false},
		"the fault began when the pod had ended":  {fault("nodeIsolate", "n1", 40_001, 0), ms(40_000), 0, true},
		"the fault was undone as it fell silent":  {fault("nodeFreeze", "n1", 5_000, 9_001), ms(40_000), 0, false},
		"the fault was undone long before":        {fault("nodeFreeze", "n1", 5_000, 9_000), ms(40_000), 0, true},
		"the fault was on another node":           {fault("nodePowerOff", "n2", 10_000, 0), ms(40_000), 0, true},
		"the fault only has pods deleted":         {fault("nodeDrain", "n1", 10_000, 0), ms(40_000), 0, true},
		"the fault was not proven to have landed": {[]*Fault{unproven}, ms(40_000), 0, true},
		"one fault of two explains it": {append(fault("nodeDrain", "n1", 9_000, 0), fault("kubeletStop", "n1", 9_000, 0)...),
			ms(40_000), 0, false},
		"the fault slows it down and ends nothing": {fault("cpuStress", "n1", 9_000, 0), ms(40_000), 0, true},
	} {
		m := New()
		m.Faults = c.faults
		if c.slack > 0 {
			m.Clocks = map[string]Clock{"n1": {Uncertainty: c.slack}}
		}
		p := &Process{PodUID: "d", Node: "n1", Alive: Spans{{ms(2_000), ms(10_000)}}}
		if got := m.outlives(c.gone, p); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestPausesOfWhichNobodyKnows judges a pause from 10 s to 20 s.
func TestPausesOfWhichNobodyKnows(t *testing.T) {
	t.Parallel()
	unproven := func(f *Fault) *Fault {
		f.Landed, f.Began = Moment{}, Moment{}
		return f
	}
	never := unproven(landedFault("nodeFreeze", "n1", 12_000, 0))
	never.Injecting = Moment{}
	for name, c := range map[string]struct {
		fault *Fault
		want  bool
	}{
		"a fault that says nothing of its effects":      {landedFault("ours", "n1", 12_000, 0), true},
		"on another node":                               {landedFault("ours", "n2", 12_000, 0), false},
		"as the pause ends":                             {landedFault("ours", "n1", 20_000, 0), false},
		"just before it ends":                           {landedFault("ours", "n1", 19_999, 0), true},
		"undone as the pause begins":                    {landedFault("ours", "n1", 5_000, 10_000), false},
		"undone just after it began":                    {landedFault("ours", "n1", 5_000, 10_001), true},
		"a freeze that was not proven to have landed":   {unproven(landedFault("nodeFreeze", "n1", 12_000, 0)), true},
		"the same, injected after the pause":            {unproven(landedFault("nodeFreeze", "n1", 20_000, 0)), false},
		"a fault that pauses nothing, and was unproven": {unproven(landedFault("nodeIsolate", "n1", 12_000, 0)), false},
		"one that is known and landed explains more":    {landedFault("nodeFreeze", "n1", 12_000, 0), false},
		"one that was never injected":                   {never, false},
	} {
		m := New()
		m.Faults = []*Fault{c.fault}
		p := &Process{PodUID: "d", Node: "n1"}
		if got := m.mayBePaused(p, ms(10_000).At, ms(20_000).At); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestWhoWroteARecord takes records that leave out who wrote them, or where.
func TestWhoWroteARecord(t *testing.T) {
	t.Parallel()
	m := New()
	m.Pods["p"] = &Pod{UID: "p", Node: "n1"}
	m.Pods["unplaced"] = &Pod{UID: "unplaced"}
	m.writers["known"] = &writer{node: "n2"}
	for name, c := range map[string]struct {
		record history.WitnessRecord
		node   string
		err    string
	}{
		"its own node counts":                 {history.WitnessRecord{PodUID: "p", Node: "n9"}, "n9", ""},
		"else that of its pod":                {history.WitnessRecord{PodUID: "p"}, "n1", ""},
		"of an init container, too":           {history.WitnessRecord{PodUID: "p" + history.ArtifactsWriter}, "n1", ""},
		"else that of its other records":      {history.WitnessRecord{PodUID: "known"}, "n2", ""},
		"a pod that is on no node":            {history.WitnessRecord{PodUID: "unplaced"}, "", ""},
		"nobody knows the pod":                {history.WitnessRecord{PodUID: "x"}, "", ""},
		"it names no pod":                     {history.WitnessRecord{Node: "n1"}, "", "the record does not say the UID"},
		"it has no number":                    {history.WitnessRecord{PodUID: "p", Seq: -1}, "", "the record of pod p has the number 0"},
		"it has no time":                      {history.WitnessRecord{PodUID: "p", WallMicros: -1}, "", "record 1 of pod p does not say when"},
		"it has the first number and instant": {history.WitnessRecord{PodUID: "p", Seq: 1, WallMicros: 1}, "n1", ""},
	} {
		r := c.record
		r.Seq, r.WallMicros = r.Seq+1, r.WallMicros+1
		err := m.identify(&r)
		if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: got the error %v, want %q", name, err, c.err)
		}
		if err == nil && r.Node != c.node {
			t.Errorf("%s: got node %q, want %q", name, r.Node, c.node)
		}
	}
}

// TestRecordsCountWhereTheirPodRan says that records belong to the disk of the pod's node, whatever they name.
func TestRecordsCountWhereTheirPodRan(t *testing.T) {
	t.Parallel()
	m := New()
	m.Pods["p"] = &Pod{UID: "p", Node: "n1"}
	for _, seq := range []int64{1, 3} {
		r := history.WitnessRecord{PodUID: "p", PodName: "pod", Node: "elsewhere", Seq: seq, WallMicros: seq}
		m.wrote(&r)
	}
	for _, node := range []string{"n1", "elsewhere"} {
		m.Collected[node] = &Collection{Data: history.CollectionData{Node: node, Files: 1, Records: 2,
			Writers: []history.WriterData{{PodUID: "p", Records: 2, First: 1, Last: 3}}}}
	}
	got := m.DiskMissing([]string{"n1", "elsewhere"})
	if diff := gocmp.Diff([]string{"n1: 1 of the first 3 records of pod pod are missing"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatAFaultIsAimedAt follows the targets and effects of a fault through its life: those of its landing stay.
func TestWhatAFaultIsAimedAt(t *testing.T) {
	t.Parallel()
	m := New()
	seq := int64(0)
	tell := func(eventType string, data history.FaultData) {
		seq++
		data.Fault, data.Kind = "f", "nodeDrain"
		encoded, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		m.Observe(&history.Event{Seq: seq, Source: history.Fault, Type: eventType, Data: encoded})
	}
	on := func(node string) []history.Object { return []history.Object{{Kind: "Node", Name: node}} }
	tell(history.FaultInjecting, history.FaultData{Targets: on("n1"), LeavesRunning: true})
	if f := m.Fault("f"); !f.Leaves || len(f.Targets) != 0 || f.Named[0].Name != "n1" {
		t.Errorf("one that leaves alone what runs: %+v", f)
	}
	tell(history.FaultInjecting, history.FaultData{Targets: on("n2"), Effects: []history.Effect{history.EndsPods}})
	if f := m.Fault("f"); f.Leaves || f.Node() != "n2" {
		t.Errorf("injected again: %+v", f)
	}
	tell(history.FaultLanded, history.FaultData{Targets: on("n3"), Effects: []history.Effect{history.Pauses}})
	tell(history.FaultRecovering, history.FaultData{Targets: on("n4"), Effects: []history.Effect{history.Slows}})
	if f := m.Fault("f"); f.Node() != "n3" || !f.Does(history.Pauses) || f.Does(history.Slows) || f.Named[0].Name != "n3" {
		t.Errorf("being undone: %+v", f)
	}
	if len(m.Problems) > 0 {
		t.Errorf("problems: %v", m.Problems)
	}
	tell(history.FaultDidNotLand, history.FaultData{})
	tell("exploded", history.FaultData{})
	if len(m.Problems) != 2 {
		t.Errorf("problems: %v, want one of the contradiction and one of the unknown event", m.Problems)
	}
}
