package reference

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// arguments returns the schema of an entry's arguments.
func (w *writer) arguments(definition, name string) *schema {
	s := w.schema.Definitions[definition]
	if found := s.Properties.find(name); found != nil {
		return &found.schema
	}
	return &schema{}
}

// contents lists the entries of a page, each with a link to its section.
func (p *page) contents(entries []scenario.Entry) {
	items := make([]string, len(entries))
	for i, entry := range entries {
		items[i] = fmt.Sprintf("[%s](#%s)", entry.Name, strings.ToLower(entry.Name))
	}
	p.list(items...)
}

func (w *writer) faults() string {
	var p page
	p.title("Faults", "What a scenario can do to nodes, pods and the network. "+
		"Each fault is an item of [`spec.faults`](scenario.md#specfaults): "+
		"`inject` names it with its arguments, `when` names the [anchor](anchors.md) at which it is injected.\n\n"+
		"A fault counts only if it *landed*: an observation that does not come from the tool which injected it proves that it took effect. "+
		"`dryRun: true` only pretends, for controls.")
	p.contents(w.Catalogue.Faults)
	for _, kind := range w.Faults {
		p.heading(2, kind.Name)
		p.paragraph(sentence(kind.Doc))
		p.arguments(w.arguments("fault", kind.Name))
		p.list(faultFacts(kind)...)
		p.used(w.uses[asFault+"/"+kind.Name], "", exampleOf(kind))
	}
	return p.String()
}

// faultFacts says by what means a fault is brought about, what it does, and what is left to undo.
func faultFacts(kind faults.Kind) []string {
	means := make([]string, len(kind.By))
	for i, by := range kind.By {
		means[i] = quoted(by)
	}
	facts := []string{"By: " + strings.Join(means, ", then ") + "."}
	example := kind.Example()
	if kind.Needs != nil {
		if needs := kind.Needs(example); len(needs) > 0 {
			facts = append(facts, "A cluster must be able to: "+quotedAll(needs)+".")
		}
	}
	if effects := kind.Effects(example); len(effects) > 0 {
		facts = append(facts, "It "+inWords(effects)+".")
	}
	if kind.Instant {
		facts = append(facts, "Nothing is left to recover from, so it takes no `recover`.")
	}
	return facts
}

// inWords says what effects are.
func inWords(effects []history.Effect) string {
	words := map[history.Effect]string{
		history.EndsProcesses: "ends processes", history.EndsPods: "ends pods", history.CutsNetwork: "cuts the network",
		history.Pauses: "pauses processes", history.Slows: "slows processes", history.SkewsClock: "skews a clock",
		history.SilencesNode: "silences a node's kubelet", history.MarksNode: "marks a node",
	}
	said := make([]string, len(effects))
	for i, effect := range effects {
		if said[i] = words[effect]; said[i] == "" {
			said[i] = string(effect)
		}
	}
	return strings.Join(said, ", ")
}

// exampleOf returns a fault with good arguments as an item of a scenario; nil if it cannot be written.
func exampleOf(kind faults.Kind) *yaml.Node {
	args, err := strictyaml.Encode(kind.Example(), false)
	if err != nil {
		return nil
	}
	return mapping("inject", mapping(kind.Name, args))
}

func mapping(name string, value *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, value}}
}

func (w *writer) anchors() string {
	var p page
	p.title("Anchors", "An anchor is an observed event at which a step begins: the injection of a fault (`when`), "+
		"or its end (`recover.when`). "+
		"A step never waits for a fixed time alone; `delay` is counted from the anchor.")
	p.contents(w.Catalogue.Anchors)
	p.heading(2, "Beside the anchor")
	moment := w.schema.Definitions["moment"]
	var beside [][]string
	for _, field := range moment.Properties {
		if _, known := scenario.Find(w.Catalogue.Anchors, field.name); !known {
			beside = append(beside, row(field.name, field, nil))
		}
	}
	p.table(header("field"), beside)
	for _, entry := range w.Catalogue.Anchors {
		p.heading(2, entry.Name)
		p.paragraph(sentence(entry.Doc))
		p.arguments(w.arguments("moment", entry.Name))
		facts := []string{fmt.Sprintf("It is awaited for %s unless `deadline` says otherwise.", scenario.Duration(entry.Deadline))}
		if entry.Witness {
			facts = append(facts, "Only the witness shows it: `witness: off` refuses it.")
		}
		p.list(facts...)
		p.used(w.uses[asAnchor+"/"+entry.Name], "when", mapping(entry.Name, argumentsOf(entry)))
	}
	return p.String()
}

// argumentsOf returns the arguments that an entry has before any is given.
func argumentsOf(entry scenario.Entry) *yaml.Node {
	args, err := strictyaml.Encode(entry.Args(), false)
	if err != nil {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
	}
	return args
}

func (w *writer) invariants() string {
	var p page
	p.title("Invariants", "An invariant is a property that must hold over the whole history of a run. Each one is an item of "+
		"[`spec.expect`](scenario.md#spec). Too little evidence makes it inconclusive, never pass and never violation: "+
		"[how a verdict is reached](../verdicts.md).")
	p.contents(w.Catalogue.Invariants)
	for _, entry := range w.Catalogue.Invariants {
		p.heading(2, entry.Name)
		p.paragraph(sentence(entry.Doc))
		p.arguments(w.arguments("invariant", entry.Name))
		if facts := invariantFacts(entry); len(facts) > 0 {
			p.list(facts...)
		}
		p.used(w.uses[asInvariant+"/"+entry.Name], "", mapping(entry.Name, argumentsOf(entry)))
	}
	return p.String()
}

func invariantFacts(entry scenario.Entry) []string {
	var facts []string
	if entry.Baseline {
		facts = append(facts, "It is judged against a run without faults: the scenario says `baseline: true`.")
	}
	if entry.Files {
		facts = append(facts, "It is judged from the files of outputs: the scenario names one in `spec.workload.output`.")
	}
	if entry.Witness {
		facts = append(facts, "It is judged by what the witness reports: with `witness: off` it is inconclusive.")
	}
	return facts
}
