package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// markdownFormat is a report for people.
func markdownFormat() definition {
	return definition{format: Markdown, file: MarkdownFile, render: renderMarkdown}
}

func renderMarkdown(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
	out := &bytes.Buffer{}
	entries := judge(verdict)
	word := string(verdict.Verdict)
	if info.Interrupted {
		word = headline(verdict, info)
	}
	fmt.Fprintf(out, "# %s: %s\n\n%s\n", markdown(verdict.Scenario), markdown(word), markdown(verdict.Reason))
	for _, e := range entries {
		if e.control != nil {
			fmt.Fprintf(out, "\n**Control %s**: %s\n", markdown(e.verdict), markdown(e.reason))
		}
	}
	if err := markdownStory(out, verdict, info); err != nil {
		return nil, err
	}
	markdownInvariants(out, entries)
	markdownFaults(out, entries)
	markdownPhases(out, verdict)
	markdownAdvice(out, info)
	markdownFailures(out, entries, info)
	markdownRun(out, verdict, info)
	return out.Bytes(), nil
}

// markdownTable writes rows whose cells are Markdown already.
func markdownTable(out io.Writer, heading string, header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n| %s |\n|%s\n", heading, strings.Join(header, " | "), strings.Repeat(" --- |", len(header)))
	for _, row := range rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
}

func markdownInvariants(out io.Writer, entries []entry) {
	var rows [][]string
	for _, e := range entries {
		if r := e.result; r != nil {
			rows = append(rows, []string{markdown(e.name), bold(e), markdown(r.Measured), markdown(r.Bound), markdown(e.reason),
				markdown(eventNumbers(r.Evidence, evidenceShown))})
		}
	}
	markdownTable(out, "Invariants", []string{"Invariant", "Verdict", "Measured", "Bound", "In words", "Evidence"}, rows)
}

func markdownFaults(out io.Writer, entries []entry) {
	var rows [][]string
	for _, e := range entries {
		if f := e.fault; f != nil {
			rows = append(rows, []string{markdown(e.name), markdown(f.Kind), bold(e), markdown(e.reason), markdown(eventNumber(f.Evidence))})
		}
	}
	markdownTable(out, "Faults", []string{"Fault", "Kind", "State", "In words", "Evidence"}, rows)
}

func markdownPhases(out io.Writer, verdict check.RunVerdict) {
	var rows [][]string
	for _, r := range tell.Recoveries(verdict) {
		for _, phase := range r.Phases {
			_, bound := phaseBound(phase.Phase)
			between := markdown(eventNumbers([]int64{phase.From, phase.To}, 0))
			rows = append(rows, []string{markdown(phase.Fault), markdown(phase.Name), took(phase.Duration), took(phase.Adds), bound, between})
		}
		rows = append(rows, []string{markdown(r.Fault), "**in all**", "", "**" + took(r.Total) + "**", "", ""})
	}
	markdownTable(out, "Phases of recovery", []string{"After fault", "Phase", "Took", "Adds", "Bound", "Between"}, rows)
}

func markdownFailures(out io.Writer, entries []entry, info RunInfo) {
	wrong := false
	for _, e := range entries {
		if e.outcome == green {
			continue
		}
		if !wrong {
			fmt.Fprint(out, "\n## What went wrong\n")
			wrong = true
		}
		fmt.Fprintf(out, "\n### %s: %s\n\n%s\n", markdown(e.name), markdown(e.verdict), markdown(e.reason))
		if e.result == nil {
			continue
		}
		for i, line := range story(*e.result) {
			if i == 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "- %s\n", markdown(line))
		}
	}
	if wrong {
		fmt.Fprintf(out, "\nRun it again: %s\n", markdownCode(info.rerun()))
	}
}

func markdownRun(out io.Writer, verdict check.RunVerdict, info RunInfo) {
	fmt.Fprintf(out, "\n## The run\n\n- run %s, seed %d\n", markdown(verdict.RunID), verdict.Seed)
	if kind := info.Environment.ClusterKind; kind != "" {
		fmt.Fprintf(out, "- %s cluster %s\n", markdown(kind), markdown(info.Environment.ClusterName))
	}
	for _, component := range versions(info) {
		fmt.Fprintf(out, "- %s\n", markdown(component.String()))
	}
	fmt.Fprintf(out, "- %d events, history sha256 %s\n", verdict.Events, markdownCode(orUnknown(verdict.HistorySHA256)))
}

func bold(e entry) string {
	if e.outcome == green {
		return markdown(e.verdict)
	}
	return "**" + markdown(e.verdict) + "**"
}
