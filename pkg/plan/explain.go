package plan

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Explain writes a plan in plain sentences: what is launched, which faults are injected and when, and what must hold.
func Explain(out io.Writer, p *Plan, catalogue scenario.Catalogue, components []launcher.Component) error {
	e := explainer{catalogue: catalogue, components: components, attached: p.Workload.Attached()}
	e.line("Scenario %s with seed %d.", p.Scenario.Name, p.Seed)
	if p.Scenario.Description != "" {
		e.line("%s", strings.TrimSpace(p.Scenario.Description))
	}
	e.line("")
	e.cluster(p.Cluster)
	e.workload(p.Workload)
	if p.Baseline {
		e.line("First the workload runs once without faults; the result of the run is compared with the result of that baseline.")
	}
	e.line("")
	e.steps(p)
	e.line("")
	e.expectations(p)
	_, err := io.WriteString(out, e.text.String())
	return err
}

type explainer struct {
	catalogue  scenario.Catalogue
	components []launcher.Component // that the workload may have
	attached   bool                 // somebody else starts the application
	text       strings.Builder
}

func (e *explainer) line(format string, args ...any) {
	fmt.Fprintf(&e.text, format+"\n", args...)
}

func (e *explainer) cluster(c Cluster) {
	if e.attached {
		e.line("Cluster: one of kind %s that is there, as it is.", c.Kind)
		return
	}
	e.line("Cluster: %s with %d workers, timing %s: a node that is silent for %s becomes NotReady (kubelet reports every %s and renews a "+
		"lease of %s, the node controller checks every %s).",
		c.Kind, c.Workers, c.Timing, c.Knobs.NodeMonitorGracePeriod, c.Knobs.NodeStatusUpdateFrequency, c.Knobs.NodeLeaseDuration,
		c.Knobs.NodeMonitorPeriod)
}

func (e *explainer) workload(w scenario.Workload) {
	if w.Attached() {
		e.attach(w)
		return
	}
	e.line("Application: %s, %s%s.", w.Application.Name, application(w.Application), inImage(w))
	e.line("Driver: %s, heap %s, CPU %s; Kubernetes evicts it %ds after its node is NotReady or unreachable%s.",
		driver(w), w.Driver.Memory, w.Driver.Cores, value(w.Driver.TolerationSeconds), on(w.Driver.NodeName))
	e.line("Executors: %d with %s each, heap %s, CPU %s; Kubernetes evicts them %ds after their node is NotReady or unreachable.",
		w.Executors.Instances, counted(w.Executors.Cores, "core"), w.Executors.Memory, w.Executors.RequestCores,
		value(w.Executors.TolerationSeconds))
	e.templates(w)
	if !w.Witnessed() {
		e.line("Drivers and executors run without the witness: they report nothing, and only what Kubernetes says about them is judged.")
	}
	e.line("Storage: %s.", storage(w.Storage))
	for _, sentence := range launcher.Explain(e.components, w) {
		e.line("%s", sentence)
	}
	e.outputs(w.Output)
	e.taken(w)
	e.line("Spark's settings: profile %s.", w.Profile)
	for _, key := range slices.Sorted(maps.Keys(w.Conf)) {
		if setting, from := scenario.FromProfile(w, key); from {
			e.line("  with %s=%s (%s)", key, setting.Value, setting.Why)
			continue
		}
		e.line("  with %s=%s (the scenario's own)", key, scenario.Shown(key, w.Conf[key]))
	}
}

// attach tells how an application is found that somebody else starts.
func (e *explainer) attach(w scenario.Workload) {
	e.line("Application: %s, which somebody else starts. Nothing of it is made, changed or removed, and it has no witness: only what "+
		"Kubernetes says of it is judged.", w.Application.Name)
	e.line("Driver: %s; one that runs is taken, else one is waited for for %s.", driver(w), w.Attach.Within)
	e.line("Executors: pods in the same namespace, with the labels %s.", w.Attach.Executors)
}

// templates tells what the scenario adds to pods and to the driver's Job.
func (e *explainer) templates(w scenario.Workload) {
	if w.Driver.Template != nil {
		e.line("The scenario adds to the driver's pod: %s.", strings.Join(w.Driver.Template.Fields(), ", "))
	}
	if w.Driver.Job != nil {
		e.line("The scenario adds to the driver's Job: %s.", strings.Join(w.Driver.Job.Fields(), ", "))
	}
	if w.Executors.Template != nil {
		e.line("The scenario adds to the executors' pods: %s.", strings.Join(w.Executors.Template.Fields(), ", "))
	}
}

// outputs tells what is read once the application has ended.
func (e *explainer) outputs(outputs []scenario.Output) {
	for _, o := range outputs {
		how := "row by row"
		if o.Compare == scenario.CompareKeys {
			how = "by " + strings.Join(o.Keys, ", ")
		}
		if len(o.Ignore) > 0 {
			how += " without " + strings.Join(o.Ignore, ", ")
		}
		e.line("Output: %s%s, read once the application has ended, in a Spark of its image, and compared %s.", o.Name(), inFormat(o.Format), how)
	}
}

func inFormat(format string) string {
	if format == "" {
		return ""
	}
	return " (" + format + ")"
}

// taken lists the values that the workload gets from the machine on which the run is started.
func (e *explainer) taken(w scenario.Workload) {
	if names := scenario.Variables(w); len(names) > 0 {
		e.line("Taken from the environment of this machine: the values of %s; run needs --allow-env for each of them.", strings.Join(names, ", "))
	}
	if names := scenario.SecretFiles(w); len(names) > 0 {
		e.line("Taken from files of this machine: the contents of %s; run needs --allow-file for each that is not below the "+
			"scenario's directory.", strings.Join(names, ", "))
	}
}

// application describes what is run, with its arguments and what it needs beside it.
func application(a scenario.Application) string {
	var words string
	switch language := a.Language(); {
	case language != scenario.Java:
		words = strings.Join(append([]string{"the " + string(language) + " file " + a.Resource()}, a.Args...), " ")
	case a.Resource() == "":
		words = strings.Join(append([]string{a.MainClass}, a.Args...), " ")
	default:
		words = strings.Join(append([]string{a.MainClass}, a.Args...), " ") + " from " + a.Resource()
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"the modules", a.PyFiles}, {"the jars", a.Jars}, {"the archives", a.Archives}, {"the packages", a.Packages}} {
		if len(list.names) > 0 {
			words += fmt.Sprintf(", with %s %s", list.what, strings.Join(list.names, " "))
		}
	}
	return words
}

func inImage(w scenario.Workload) string {
	switch {
	case w.Image != "":
		return " in the image " + w.Image
	case w.ImageArchive != "":
		return " in the image in " + w.ImageArchive
	case w.Spark == nil:
		return ""
	}
	words := " in the image of Spark"
	if w.Spark.Version != "" {
		words += " " + w.Spark.Version
	}
	if w.Spark.Python {
		words += " with Python"
	}
	return words + " that is built here"
}

func on(node string) string {
	if node == "" {
		return ""
	}
	return "; it is pinned to node " + node
}

func storage(kind string) string {
	switch kind {
	case scenario.StorageLocal:
		return "a volume on the disk of the first driver's node, which no other node can mount (local)"
	case scenario.StorageNode:
		return "a directory on each node's own disk (node)"
	default:
		return "a volume that all nodes can mount and that survives the loss of any node (shared)"
	}
}

// driver describes what the driver is, in the words of its launcher.
func driver(w scenario.Workload) string {
	by, err := launcher.LauncherOf(w)
	if err != nil {
		return w.Launcher // which no scenario that was loaded has
	}
	return by.Explain(w)
}

func (e *explainer) steps(p *Plan) {
	if len(p.Steps) == 0 {
		e.line("No fault is injected.%s", map[bool]string{true: " The application is judged by what befalls it while it is watched."}[e.attached])
	}
	for i, step := range p.Steps {
		what := e.phrase(e.catalogue.Faults, step.Do)
		if step.Action == Recover {
			what = fmt.Sprintf("undo %s (%s)", stepID(step.Fault, Inject), e.phrase(e.catalogue.Faults, step.Do))
		}
		e.line("%d. %s: %s: %s%s.", i+1, step.ID, e.moment(step), what, by(step))
	}
	e.waits(p.Waits(e.catalogue))
}

// waits describes how long the application may take, and which invariants make the run wait longer.
func (e *explainer) waits(w Waits) {
	words := fmt.Sprintf("After the last fault the application has %s to complete", scenario.Duration(w.Settle))
	var longer []string
	if w.Fault.Time > w.Settle {
		longer = append(longer, fmt.Sprintf("until %s after the last fault (for %s)", scenario.Duration(w.Fault.Time), w.Fault.Invariant))
	}
	if w.Launch.Invariant != "" {
		longer = append(longer, fmt.Sprintf("until %s after its launch (for %s)", scenario.Duration(w.Launch.Time), w.Launch.Invariant))
	}
	if len(longer) > 0 {
		words += ", and in any case " + strings.Join(longer, ", and ")
	}
	e.line("%s.", words)
	if w.Aftermath.Invariant != "" {
		e.line("After that, drivers and executors that are still alive are watched for at most %s (for %s).",
			scenario.Duration(w.Aftermath.Time), w.Aftermath.Invariant)
	}
}

// by names how a fault is injected, unless it is done by the harness itself.
func by(step Step) string {
	if step.Action == Recover || step.By == "" || step.By == scenario.ByBuiltin {
		return ""
	}
	return fmt.Sprintf(", by a resource of Chaos Mesh (%s)", step.Why)
}

func (e *explainer) moment(step Step) string {
	if step.AtEnd {
		return "when the application has settled"
	}
	words := "once " + e.phrase(e.catalogue.Anchors, *step.Anchor)
	if step.Delay > 0 {
		words = fmt.Sprintf("%s after %s", step.Delay, e.phrase(e.catalogue.Anchors, *step.Anchor))
	}
	return fmt.Sprintf("%s (timeout %s; on timeout the run is inconclusive)", words, step.Deadline)
}

func (e *explainer) expectations(p *Plan) {
	e.line("These invariants must hold over the whole history:")
	for _, expectation := range p.Expect {
		words := expectation.Name
		if phrase := e.phrase(e.catalogue.Invariants, expectation); phrase != "" && phrase != expectation.Name {
			words += ": " + phrase
		}
		e.line("- %s", words)
	}
	if p.Control == nil {
		return
	}
	switch {
	case len(p.Control.NotLanded) > 0:
		e.line("This is a control: it passes only if %s did not land, and the harness notices.", strings.Join(p.Control.NotLanded, " and "))
	case len(p.Control.Violated) > 0:
		e.line("This is a control: it passes only if the harness finds %s violated.", strings.Join(p.Control.Violated, " and "))
	default:
		e.line("This is a control: it passes only if the harness judges the run %s.", p.Control.EndsIn)
	}
}

// phrase describes a choice: by its entry's own phrase, else by the entry's sentence and the arguments as they are.
func (e *explainer) phrase(entries []scenario.Entry, choice scenario.Choice) string {
	entry, _ := scenario.Find(entries, choice.Name)
	if entry.Phrase != nil {
		return entry.Phrase(choice.Args)
	}
	words := cmp.Or(strings.TrimSuffix(entry.Doc, "."), choice.Name)
	if args, err := strictyaml.JSON(choice.Args, false); err == nil && string(args) != "{}" {
		words += " " + strings.NewReplacer(`"`, "", ":", ": ", ",", ", ").Replace(string(args))
	}
	return words
}

func value[T int32 | int64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
