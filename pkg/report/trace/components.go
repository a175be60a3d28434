package trace

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

const (
	// maxShown is how many spans of components a trace has: with more, viewers are slow to open it.
	maxShown = 50_000
	// maxRows is how many rows what a component does at once, or what is done to a pod at once, may take.
	maxRows = 64
)

// component is a span that a component of the cluster exported, as the trace of a run shows it.
type component struct {
	otlp.Span
	from, to time.Duration // cut to the time of the run
	cut      bool
	id       string // in the trace of the run
	parent   int    // index of the span above it; none if there is none
	pod      string // UID of the pod of the run that it is about, itself or by the spans above it; empty for none
}

// none is the index of no span.
const none = -1

// components are the spans of the cluster's components in a run.
type components struct {
	run     *Run
	all     []component // in the order of their begins
	leftOut int
}

// components returns the spans that the cluster's components exported in the time of the run.
func (r *Run) components() *components {
	c := &components{run: r, leftOut: r.Exported.LeftOut}
	began := r.began()
	for _, s := range r.Exported.Spans {
		from, to := s.Start.Sub(began), s.End.Sub(began)
		if to < 0 || from > r.Timeline.End {
			continue
		}
		shown := component{Span: s, from: max(from, 0), to: min(to, r.Timeline.End), parent: none}
		shown.cut = shown.from != from || shown.to != to
		c.all = append(c.all, shown)
	}
	c.bound(maxShown)
	c.relate()
	return c
}

// bound leaves out spans beyond a number: those outside of faults and recoveries first, then the shortest ones.
func (c *components) bound(most int) {
	if len(c.all) <= most {
		return
	}
	aside := func(s component) int {
		if c.run.disturbed(s.from, s.to) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(c.all, func(a, b component) int {
		return cmp.Or(cmp.Compare(aside(a), aside(b)), cmp.Compare(b.to-b.from, a.to-a.from))
	})
	c.leftOut += len(c.all) - most
	c.all = slices.Clip(c.all[:most])
	slices.SortStableFunc(c.all, func(a, b component) int { return cmp.Compare(a.from, b.from) })
}

// disturbed reports whether a fault acted or the application recovered in a time.
func (r *Run) disturbed(from, to time.Duration) bool {
	for _, w := range r.Timeline.Faults {
		if from <= w.To && w.From <= to {
			return true
		}
	}
	for _, p := range r.Timeline.Phases {
		if from <= p.To && p.From <= to {
			return true
		}
	}
	return false
}

// relate finds the id of each span, the span above it, and the pod that it is about.
func (c *components) relate() {
	type key struct{ trace, id string }
	known, taken := map[key]int{}, map[string]bool{}
	for i, s := range c.all {
		c.all[i].id = s.ID
		if !isSpanID(s.ID) || taken[s.ID] { // an exporter may send anything, and everything twice
			c.all[i].id = c.run.spanID("component", strconv.Itoa(i))
		}
		taken[c.all[i].id] = true
		if _, twice := known[key{s.Trace, s.ID}]; !twice {
			known[key{s.Trace, s.ID}] = i
		}
	}
	for i, s := range c.all {
		if above, ok := known[key{s.Trace, s.Parent}]; ok && s.Parent != "" {
			c.all[i].parent = above
		}
	}
	c.inherit(c.run.podNames())
}

// inherit finds the pods that spans are about, from the spans above them, and cuts circles of spans.
func (c *components) inherit(names map[string]string) {
	const visiting, done = 1, 2
	state := make([]int, len(c.all))
	for i := range c.all {
		var way []int
		for at := i; at != none && state[at] != done; at = c.all[at].parent {
			if state[at] == visiting {
				c.all[way[len(way)-1]].parent = none
				break
			}
			state[at] = visiting
			way = append(way, at)
		}
		for _, at := range slices.Backward(way) {
			state[at] = done
			s := &c.all[at]
			if s.pod = c.run.podOf(s.Span, names); s.pod == "" && s.parent != none {
				s.pod = c.all[s.parent].pod
			}
		}
	}
}

func isSpanID(id string) bool {
	bytes, err := hex.DecodeString(id)
	return err == nil && len(bytes) == 8 && strings.Trim(id, "0") != ""
}

// podNames returns the UIDs of pods by namespace and name. A name that two pods had is nobody's.
func (r *Run) podNames() map[string]string {
	names := map[string]string{}
	for uid, pod := range r.Record.Model.Pods {
		name := pod.Namespace + "/" + pod.Name
		if _, twice := names[name]; twice {
			uid = ""
		}
		names[name] = uid
	}
	return names
}

// podPath matches the part of a request's URL that names a pod.
var podPath = regexp.MustCompile(`/api/v1/namespaces/([^/?]+)/pods/([^/?]+)`)

// podOf returns the UID of the run's pod that a component names in a span; empty if it names none.
func (r *Run) podOf(s otlp.Span, names map[string]string) string {
	for _, a := range s.Attributes {
		switch a.Key {
		case "k8s.pod.uid":
			if r.Record.Model.Pods[a.Value] != nil {
				return a.Value
			}
		case "url.path", "url.full":
			if named := podPath.FindStringSubmatch(a.Value); named != nil {
				return names[named[1]+"/"+named[2]]
			}
		}
	}
	return ""
}

// groups returns the rows that viewers show: what was done to each pod of the run, and what else each component did.
func (c *components) groups() []group {
	pods, programs := map[string][]slice{}, map[string][]slice{}
	for _, s := range c.all {
		name := cmp.Or(s.Name, "span")
		if s.pod != "" {
			about := c.run.Record.Model.Pods[s.pod].Name
			pods[about] = append(pods[about], slice{s.from, s.to, program(s.Span) + ": " + name, describe(s.Span), []int64{}})
			continue
		}
		programs[program(s.Span)] = append(programs[program(s.Span)], slice{s.from, s.to, name, describe(s.Span), []int64{}})
	}
	about, others := rowsOf("what components did to pods", pods), rowsOf("cluster components", programs)
	others.name += c.lack(about.leftOut + others.leftOut)
	return []group{about.group, others.group}
}

// limited is a group of which some slices found no place.
type limited struct {
	group
	leftOut int
}

// rowsOf returns a group with the rows of each name, in their order.
func rowsOf(name string, byName map[string][]slice) limited {
	g := limited{group: group{name: name}}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		made, leftOut := place(name, byName[name], maxRows)
		g.rows, g.leftOut = append(g.rows, made...), g.leftOut+leftOut
	}
	return g
}

// lack says in brackets what is missing among the spans, for a heading; nothing if nothing is.
func (c *components) lack(more int) string {
	var words []string
	if n := c.leftOut + more; n > 0 {
		words = append(words, wording.Count(n, "span")+" left out")
	}
	if c.run.Exported.Damaged {
		words = append(words, "the file of spans is damaged")
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// lacks returns what is missing among the spans as attributes.
func (c *components) lacks() []otlpAttribute {
	var lacks []otlpAttribute
	if c.leftOut > 0 {
		lacks = append(lacks, otlpAttribute{"sparkchaos.components.left_out", whole(int64(c.leftOut))})
	}
	if c.run.Exported.Damaged {
		lacks = append(lacks, truth("sparkchaos.components.damaged", true))
	}
	return lacks
}

// program names what exported a span.
func program(s otlp.Span) string {
	name := cmp.Or(s.Service, "unknown")
	if s.Host != "" {
		name += " · " + s.Host
	}
	return name
}

// describe returns what a component told of a span.
func describe(s otlp.Span) string {
	var words []string
	if s.Failed {
		words = append(words, "failed: "+s.Message)
	}
	for _, a := range s.Attributes {
		words = append(words, a.Key+"="+a.Value)
	}
	return strings.Join(words, " ")
}

// resources returns the spans by what exported them. One that has none above it is below the span of its pod, or else below the run's,
// which is the first of the run's own.
func (c *components) resources(own []otlpSpan) []otlpResourceSpans {
	ours := map[string]bool{}
	for _, s := range own {
		ours[s.SpanID] = true
	}
	byProgram := map[string]*otlpResourceSpans{}
	for _, s := range c.all {
		name := program(s.Span)
		if byProgram[name] == nil {
			resource := otlpResource{nonEmpty(text("service.name", s.Service), text("host.name", s.Host))}
			byProgram[name] = &otlpResourceSpans{resource, []otlpScopeSpans{{Scope: otlpScope{Name: s.Service}}}}
		}
		span := c.exported(s)
		switch pod := c.run.spanID("pod", s.pod); {
		case s.parent != none:
			span.Parent = c.all[s.parent].id
		case s.pod != "" && ours[pod]:
			span.Parent = pod
		default:
			span.Parent = own[0].SpanID
		}
		scope := &byProgram[name].ScopeSpans[0]
		scope.Spans = append(scope.Spans, span)
	}
	var all []otlpResourceSpans
	for _, name := range slices.Sorted(maps.Keys(byProgram)) {
		all = append(all, *byProgram[name])
	}
	return all
}

// exported returns a span as part of the run's trace, without what is above it.
func (c *components) exported(s component) otlpSpan {
	at := func(offset time.Duration) string { return fmt.Sprint(c.run.began().Add(offset).UnixNano()) }
	span := otlpSpan{
		TraceID: c.run.traceID(), SpanID: s.id, Name: s.Name, Kind: s.Kind, Start: at(s.from), End: at(s.to),
		Attributes: nonEmpty(text("sparkchaos.component.trace", s.Trace)),
	}
	if s.cut {
		span.Attributes = append(span.Attributes, truth("sparkchaos.component.cut", true))
	}
	for _, a := range s.Attributes {
		span.Attributes = append(span.Attributes, text(a.Key, a.Value))
	}
	if s.Failed {
		span.Status = otlpStatus{statusError, s.Message}
	}
	return span
}
