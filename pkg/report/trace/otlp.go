package trace

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// otlpData is an ExportTraceServiceRequest in OTLP's JSON encoding: ids are hexadecimal, enums numbers and 64-bit numbers texts.
type otlpData struct {
	ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
}

type otlpResourceSpans struct {
	Resource   otlpResource     `json:"resource"`
	ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
}

type otlpResource struct {
	Attributes []otlpAttribute `json:"attributes"`
}

type otlpScopeSpans struct {
	Scope otlpScope  `json:"scope"`
	Spans []otlpSpan `json:"spans"`
}

type otlpScope struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type otlpSpan struct {
	TraceID    string          `json:"traceId"`
	SpanID     string          `json:"spanId"`
	Parent     string          `json:"parentSpanId,omitempty"`
	Name       string          `json:"name"`
	Kind       int             `json:"kind"`
	Start      string          `json:"startTimeUnixNano"`
	End        string          `json:"endTimeUnixNano"`
	Attributes []otlpAttribute `json:"attributes,omitempty"`
	Links      []otlpLink      `json:"links,omitempty"`
	Status     otlpStatus      `json:"status"`
}

type otlpLink struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
}

type otlpStatus struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

type otlpAttribute struct {
	Key   string    `json:"key"`
	Value otlpValue `json:"value"`
}

type otlpValue struct {
	String *string    `json:"stringValue,omitempty"`
	Int    *string    `json:"intValue,omitempty"`
	Bool   *bool      `json:"boolValue,omitempty"`
	Array  *otlpArray `json:"arrayValue,omitempty"`
}

type otlpArray struct {
	Values []otlpValue `json:"values"`
}

// Values of OTLP's enums.
const (
	kindInternal = 1 // SPAN_KIND_INTERNAL
	statusOK     = 1 // STATUS_CODE_OK
	statusError  = 2 // STATUS_CODE_ERROR
)

func text(key, value string) otlpAttribute { return otlpAttribute{key, otlpValue{String: &value}} }

func whole(n int64) otlpValue {
	value := strconv.FormatInt(n, 10)
	return otlpValue{Int: &value}
}

func truth(key string, value bool) otlpAttribute { return otlpAttribute{key, otlpValue{Bool: &value}} }

// seqs names the events that show a span.
func seqs(events []int64) otlpAttribute {
	list := otlpArray{Values: []otlpValue{}}
	for _, seq := range events {
		list.Values = append(list.Values, whole(seq))
	}
	return otlpAttribute{"sparkchaos.events", otlpValue{Array: &list}}
}

// spans collects the spans of a run.
type spans struct {
	run *Run
	all []otlpSpan
}

// OTLP writes one trace of the run as OTLP/JSON: the run, its phases, incarnations with their executors, faults, the phases of
// recovery, and what the cluster's components exported.
func (r *Run) OTLP() ([]byte, error) {
	s := spans{run: r}
	root := s.root()
	s.phases(root)
	s.incarnations(root)
	s.faults(root)
	s.recoveries(root)
	resource := otlpResource{Attributes: nonEmpty(
		text("service.name", "sparkchaos"), text("service.version", r.Verdict.Recorded),
		text("k8s.namespace.name", r.Record.Model.Workload.Namespace),
		text("sparkchaos.cluster.kind", r.Record.Model.Run.ClusterKind),
	)}
	scope := otlpScopeSpans{Scope: otlpScope{Name: "sparkchaos", Version: r.Verdict.Recorded}, Spans: s.all}
	components := r.components()
	scope.Spans[0].Attributes = append(scope.Spans[0].Attributes, components.lacks()...)
	return encode(otlpData{append([]otlpResourceSpans{{resource, []otlpScopeSpans{scope}}}, components.resources(scope.Spans)...)})
}

// nonEmpty leaves out texts that say nothing.
func nonEmpty(all ...otlpAttribute) []otlpAttribute {
	var some []otlpAttribute
	for _, a := range all {
		if a.Value.String == nil || *a.Value.String != "" {
			some = append(some, a)
		}
	}
	return some
}

func (r *Run) traceID() string {
	id := r.id("trace")
	return hex.EncodeToString(id[:16])
}

func (r *Run) spanID(parts ...string) string {
	id := r.id(append([]string{"span"}, parts...)...)
	return hex.EncodeToString(id[:8])
}

// add adds a span whose id is made of parts, and returns that id.
func (s *spans) add(parent string, from, to time.Duration, name string, attributes []otlpAttribute, parts ...string) string {
	at := func(offset time.Duration) string { return strconv.FormatInt(s.run.began().Add(offset).UnixNano(), 10) }
	span := otlpSpan{
		TraceID: s.run.traceID(), SpanID: s.run.spanID(parts...), Parent: parent, Name: name, Kind: kindInternal,
		Start: at(from), End: at(max(from, to)), Attributes: attributes,
	}
	s.all = append(s.all, span)
	return span.SpanID
}

// last is the span that was added last.
func (s *spans) last() *otlpSpan { return &s.all[len(s.all)-1] }

func (s *spans) root() string {
	v := s.run.Verdict
	id := s.add("", 0, s.run.Timeline.End, "run "+v.Scenario, nonEmpty(
		text("sparkchaos.run.id", v.RunID), text("sparkchaos.scenario", v.Scenario), text("sparkchaos.seed", fmt.Sprint(v.Seed)),
		text("sparkchaos.verdict", string(v.Verdict)), text("sparkchaos.reason", v.Reason), text("sparkchaos.history.sha256", v.HistorySHA256),
		seqs([]int64{s.run.Record.Model.Started.Seq, s.run.Record.Model.Last.Seq}),
	), "run")
	s.last().Status = otlpStatus{Code: statusOK}
	if v.Verdict != check.Pass {
		s.last().Status = otlpStatus{statusError, string(v.Verdict) + ": " + v.Reason}
	}
	return id
}

func (s *spans) phases(root string) {
	m := s.run.Record.Model
	for i, name := range s.run.Phases {
		from, to := m.Phase(name), m.Last
		if i+1 < len(s.run.Phases) {
			to = m.Phase(s.run.Phases[i+1])
		}
		s.add(root, m.Offset(from), m.Offset(to), "phase "+name, []otlpAttribute{text("sparkchaos.phase", name), seqs([]int64{from.Seq, to.Seq})},
			"phase", name)
	}
}

// podOf returns the attributes of a pod.
func (s *spans) podOf(pod *model.Pod) []otlpAttribute {
	return nonEmpty(text("k8s.pod.name", pod.Name), text("k8s.pod.uid", pod.UID), text("k8s.namespace.name", pod.Namespace),
		text("k8s.node.name", pod.Node))
}

func (s *spans) incarnations(root string) {
	m := s.run.Record.Model
	for _, i := range m.Incarnations() {
		attributes := []otlpAttribute{{"sparkchaos.incarnation", whole(int64(i.Number))}}
		if m.Workload.DriverKind == "Job" {
			attributes = append(attributes, text("k8s.job.name", m.Workload.DriverName), text("k8s.job.uid", m.Workload.DriverUID))
		}
		name := fmt.Sprintf("driver incarnation %d", i.Number)
		var id string
		if i.Pod != nil {
			id = s.pod(root, name, i.Pod, attributes)
		} else {
			life := i.Driver.Alive
			attributes = append(attributes, nonEmpty(text("k8s.pod.name", i.Name), text("k8s.pod.uid", i.UID), text("k8s.node.name", i.Node))...)
			id = s.add(root, m.Offset(life.First()), m.Offset(life.Last()), name,
				append(attributes, seqs([]int64{life.First().Seq, life.Last().Seq})), "pod", i.UID)
		}
		for _, pod := range m.Executors(i) {
			s.pod(id, "executor "+cmp.Or(pod.ExecutorID, pod.Name), pod, nonEmpty(text("sparkchaos.executor.id", pod.ExecutorID)))
		}
	}
}

// pod adds the span of a pod: from when it was seen first until it had ended for the API server.
func (s *spans) pod(parent, name string, pod *model.Pod, attributes []otlpAttribute) string {
	m := s.run.Record.Model
	end, events := m.Last, []int64{pod.Added.Seq}
	if gone := pod.Gone(); !gone.Never() {
		end, events = gone, append(events, gone.Seq)
	}
	attributes = append(append(s.podOf(pod), attributes...), seqs(events))
	id := s.add(parent, m.Offset(pod.Added), m.Offset(end), name, attributes, "pod", pod.UID)
	if !pod.Finished.Never() && !pod.Succeeded {
		s.last().Status = otlpStatus{statusError, "the pod failed"}
	}
	return id
}

func (s *spans) faults(root string) {
	for _, w := range s.run.Timeline.Faults {
		fault := s.run.Record.Model.Fault(w.Fault)
		attributes := []otlpAttribute{
			text("sparkchaos.fault", w.Fault), text("sparkchaos.fault.kind", w.Kind), truth("sparkchaos.fault.landed", w.Landed), seqs(w.Events),
			text("sparkchaos.fault.proof", strings.Join(s.run.Record.Proofs[w.Fault], "; ")),
		}
		for _, target := range fault.Named {
			if kind := strings.ToLower(target.Kind); kind == "node" || kind == "pod" {
				attributes = append(attributes, text("k8s."+kind+".name", target.Name), text("k8s."+kind+".uid", target.UID))
				break // an attribute has one value
			}
		}
		s.add(root, w.From, w.To, "fault "+w.Fault, nonEmpty(attributes...), "fault", w.Fault)
		if !w.Landed {
			s.last().Status = otlpStatus{statusError, "the fault did not land: " + fault.Reason}
		}
	}
}

func (s *spans) recoveries(root string) {
	m := s.run.Record.Model
	for _, recovery := range tell.Recoveries(s.run.Verdict) {
		fault := m.Fault(recovery.Fault)
		if fault == nil || fault.Began.Never() {
			continue
		}
		began := m.Offset(fault.Began)
		id := s.add(root, began, began+recovery.Total, "recovery from "+recovery.Fault, []otlpAttribute{text("sparkchaos.fault", recovery.Fault)},
			"recovery", recovery.Fault)
		s.last().Links = []otlpLink{{s.run.traceID(), s.run.spanID("fault", recovery.Fault)}}
		for _, phase := range recovery.Phases {
			attributes := []otlpAttribute{text("sparkchaos.recovery.phase", phase.Name), seqs([]int64{phase.From, phase.To})}
			if phase.Bound > 0 {
				attributes = append(attributes, text("sparkchaos.recovery.bound", phase.Bound.String()))
			}
			s.add(id, began+phase.Start, began+phase.Start+phase.Duration, phase.Name, attributes, "recovery", recovery.Fault, phase.Name)
			if phase.Bound > 0 && phase.Duration > phase.Bound {
				s.last().Status = otlpStatus{statusError, "it took longer than " + phase.Bound.String()}
			}
		}
	}
}
