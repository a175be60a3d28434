package report

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/report/html"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// htmlFormat is a report for people, with a timeline.
func htmlFormat() definition {
	return definition{format: HTML, file: HTMLFile, render: renderHTML}
}

func renderHTML(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
	entries := judge(verdict)
	page := html.Page{
		Scenario: verdict.Scenario, Verdict: headline(verdict, info), Reason: verdict.Reason, Rerun: info.rerun(),
		Tone:       tone(outcomeOf(verdict.Verdict)),
		Recoveries: tell.Recoveries(verdict), Facts: facts(verdict, info), Previous: previous(verdict, info),
	}
	if info.Interrupted {
		page.Tone = html.Unsure
	}
	read, err := info.reading(verdict)
	if err != nil {
		return nil, err
	}
	record, collector := read.record, read.collector
	var proofs map[string][]string
	if record != nil {
		page.Story, page.Description, page.Fast = tell.Of(record, verdict), record.Plan.Scenario.Description, record.Plan.Timing() == "fast"
		page.Timeline, page.Record = timeline.Of(record, verdict, collector.Beats), collector
		page.Figures = figures(record, verdict)
		page.Delays, page.Advices = explained(record)
		page.Logs = logs(record, info.Directory)
		proofs = record.Proofs
	}
	for _, e := range entries {
		switch {
		case e.result != nil:
			page.Invariants = append(page.Invariants, invariant(e))
		case e.fault != nil:
			page.Faults = append(page.Faults, html.Fault{
				Name: e.name, Kind: e.fault.Kind, State: e.verdict, Reason: e.reason, Tone: tone(e.outcome), Evidence: e.fault.Evidence,
				Proof: proofs[e.fault.Fault],
			})
		case e.control != nil:
			page.Control = e.verdict + ": " + e.reason
		}
	}
	return html.Render(page)
}

// explained returns why the recoveries took so long, and what would help. A plan that cannot be read is reported by the verdict.
func explained(record *tell.Record) (delays []html.Delay, advices []string) {
	advice, err := advise.Of(record.Model)
	if err != nil {
		return nil, nil
	}
	for _, d := range advice.Delays {
		delays = append(delays, html.Delay{Delay: d, Predicted: d.Expected.String()})
	}
	for _, a := range advice.Advices {
		advices = append(advices, adviceSentence(a))
	}
	return delays, advices
}

func tone(o outcome) html.Tone {
	return map[outcome]html.Tone{green: html.Good, failing: html.Bad, erring: html.Unsure}[o]
}

func invariant(e entry) html.Invariant {
	r := e.result
	i := html.Invariant{Name: e.name, Verdict: e.verdict, Measured: r.Measured, Bound: r.Bound, Message: e.reason, Tone: tone(e.outcome),
		Evidence: r.Evidence}
	for _, line := range r.Narrative {
		i.Lines = append(i.Lines, html.Line{Event: line.Seq, At: line.Offset, Text: line.Text})
	}
	for _, a := range r.Assumptions {
		if !a.Held {
			i.Unmet = append(i.Unmet, a.What)
		}
	}
	return i
}

// evidence returns the events that a verdict rests on.
func evidence(verdict check.RunVerdict) []int64 {
	var all []int64
	for _, r := range verdict.Results {
		all = append(all, r.Evidence...)
		for _, p := range r.Phases {
			all = append(all, p.From, p.To)
		}
	}
	for _, f := range verdict.Faults {
		all = append(all, f.Evidence)
	}
	return all
}

// figures returns what a reader wants to know first.
func figures(record *tell.Record, verdict check.RunVerdict) []html.Figure {
	cost := tell.CostOf(record.Model)
	landed := 0
	for _, f := range verdict.Faults {
		if f.Landed {
			landed++
		}
	}
	held := 0
	for _, r := range verdict.Results {
		if r.Verdict == check.Pass {
			held++
		}
	}
	note := ""
	if verdict.Control != nil && verdict.Control.AsExpected {
		note = "a control, which had to end so"
	}
	all := []html.Figure{
		{Name: "Invariants held", Value: fmt.Sprintf("%d of %d", held, len(verdict.Results)), Note: note},
		{Name: "Faults proven to have landed", Value: fmt.Sprintf("%d of %d", landed, len(verdict.Faults))},
	}
	for _, r := range tell.Recoveries(verdict) {
		all = append(all, html.Figure{Name: "Recovery took", Value: wording.Duration(r.Total), Note: "after fault " + r.Fault})
	}
	if cost.Took > 0 {
		f := html.Figure{Name: "The application took", Value: wording.Duration(cost.Took), Note: "without faults: not known"}
		if cost.Baseline > 0 {
			f.Note = fmt.Sprintf("without faults %s (%+.0f %%)", wording.Duration(cost.Baseline),
				100*(cost.Took.Seconds()/cost.Baseline.Seconds()-1))
		}
		all = append(all, f)
	}
	if cost.Tasks+cost.Cut > 0 {
		all = append(all, html.Figure{
			Name: "Work lost", Value: fmt.Sprintf("%.1f task-seconds", cost.Lost.Seconds()),
			Note: fmt.Sprintf("%s made again, %d cut off", wording.Count(cost.Again, "task"), cost.Cut),
		})
	}
	if cost.Batches > 0 {
		all = append(all, html.Figure{Name: "Batches made again", Value: fmt.Sprintf("%d of %d", cost.BatchesAgain, cost.Batches)})
	}
	if cost.Standstill > 0 {
		all = append(all, html.Figure{Name: "Longest time without progress", Value: wording.Duration(cost.Standstill)})
	}
	return all
}

func facts(verdict check.RunVerdict, info RunInfo) [][2]string {
	all := [][2]string{{"run", verdict.RunID}, {"seed", fmt.Sprint(verdict.Seed)}}
	if info.Took > 0 {
		all = append(all, [2]string{"took", wording.Duration(info.Took)})
	}
	if kind := info.Environment.ClusterKind; kind != "" {
		all = append(all, [2]string{"cluster", kind + " " + info.Environment.ClusterName})
	}
	for _, v := range versions(info) {
		all = append(all, [2]string{v.name, v.version})
	}
	for _, facts := range []map[string]string{info.Environment.Timing, info.Environment.Machine} {
		for _, name := range slices.Sorted(maps.Keys(facts)) {
			all = append(all, [2]string{name, facts[name]})
		}
	}
	return append(all, [2]string{"events", fmt.Sprint(verdict.Events)}, [2]string{"history sha256", orUnknown(verdict.HistorySHA256)})
}

// maxPrevious is the number of runs of a scenario that a report shows.
const maxPrevious = 20

// previous returns the last runs of the scenario in the directory of the run, in the order of time; none if the run is the only one.
func previous(verdict check.RunVerdict, info RunInfo) []html.Previous {
	here, err := filepath.EvalSymlinks(info.Directory)
	if err != nil {
		return nil
	}
	if here, err = filepath.Abs(here); err != nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(here))
	if err != nil {
		return nil
	}
	var all []html.Previous
	for _, entry := range slices.Backward(entries) { // their names begin with the time
		name := entry.Name()
		if !entry.IsDir() || !strings.Contains(name, "-"+verdict.Scenario+"-") && name != filepath.Base(here) || len(all) == maxPrevious {
			continue
		}
		if one, ok := previousRun(filepath.Dir(here), entry, verdict, filepath.Base(here)); ok {
			all = append(all, one)
		}
	}
	slices.Reverse(all)
	if len(all) < 2 {
		return nil
	}
	return all
}

func previousRun(parent string, entry fs.DirEntry, of check.RunVerdict, here string) (html.Previous, bool) {
	name := entry.Name()
	verdict := of
	if name != here {
		content, err := regular.ReadFile(filepath.Join(parent, name, VerdictFile), MaxFileBytes)
		if err != nil {
			return html.Previous{}, false
		}
		if verdict, err = DecodeVerdict(content); err != nil || verdict.Scenario != of.Scenario {
			return html.Previous{}, false
		}
	}
	return html.Previous{
		Name: name, Verdict: string(verdict.Verdict), Tone: tone(outcomeOf(verdict.Verdict)), Link: path.Join("..", name, HTMLFile),
		Here:     name == here,
		Recovery: tell.Longest(tell.Recoveries(verdict)),
	}, true
}

// The bounds of the logs that a report holds, in bytes.
const (
	maxLog  = 384 << 10
	maxLogs = 4 << 20
)

// logs returns the ends of the logs of drivers and executors, in the order of the incarnations.
func logs(record *tell.Record, directory string) []html.Log {
	var names []string
	for _, i := range record.Model.Incarnations() {
		names = append(names, i.Name)
		for _, pod := range record.Model.Executors(i) {
			names = append(names, pod.Name)
		}
	}
	var all []html.Log
	left := maxLogs
	for _, name := range names {
		if name != filepath.Base(name) || left <= 0 {
			continue
		}
		content, err := regular.ReadFile(filepath.Join(directory, "logs", name+".log"), MaxFileBytes)
		if err != nil {
			continue // a pod that left no log is no failure
		}
		log := html.Log{Name: name}
		if most := min(maxLog, left); len(content) > most {
			log.Cut = true
			content = content[len(content)-most:]
			if _, rest, found := strings.Cut(string(content), "\n"); found {
				content = []byte(rest)
			}
		}
		left -= len(content)
		log.Text = printable.Lines(html.Plain(string(content)))
		all = append(all, log)
	}
	return all
}
