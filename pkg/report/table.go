package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// Style is how a table is shown.
type Style struct {
	// Width is the terminal's, in columns; zero is without limit, for files and pipes.
	Width int
	// Color allows escape sequences.
	Color bool
}

// StyleFor returns the style that suits a writer: colours and a width only for a terminal, no colours if the
// environment says NO_COLOR (not empty) or TERM=dumb.
func StyleFor(out io.Writer, getenv func(string) string) Style {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Style{}
	}
	style := Style{Color: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		style.Width = width
	}
	return style
}

// The colours of verdicts, as ANSI escape sequences.
const (
	red    = "\x1b[31m"
	lime   = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

func (s Style) paint(o outcome, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return map[outcome]string{green: lime, failing: red, erring: yellow}[o] + text + plain
}

// evidenceShown is the number of event numbers that fit into a cell.
const evidenceShown = 6

// tableFormat is a report for a terminal.
func tableFormat() definition {
	return definition{format: Table, render: renderTable}
}

func renderTable(verdict check.RunVerdict, info RunInfo, style Style) ([]byte, error) {
	out := &bytes.Buffer{}
	entries := judge(verdict)
	fmt.Fprintln(out, title(verdict, info))
	if sawNothing(verdict) {
		fmt.Fprintf(out, "\nThe run ended before there was anything to judge. Run it again: %s\n", info.rerun())
		conclusion(out, verdict, entries, info, style)
		return out.Bytes(), nil
	}
	if err := invariantTable(out, entries, style); err != nil {
		return nil, err
	}
	if err := faultTable(out, entries, style); err != nil {
		return nil, err
	}
	if err := phaseTable(out, verdict, style); err != nil {
		return nil, err
	}
	failures(out, entries, info, style)
	conclusion(out, verdict, entries, info, style)
	return out.Bytes(), nil
}

// sawNothing reports whether the run failed before it saw anything that an invariant or a fault could be judged by.
func sawNothing(verdict check.RunVerdict) bool {
	return verdict.Verdict == check.Error &&
		!slices.ContainsFunc(verdict.Results, func(r check.Result) bool { return len(r.Evidence) > 0 || r.Verdict != check.Inconclusive }) &&
		!slices.ContainsFunc(verdict.Faults, func(f check.Landed) bool { return f.Landed || f.Evidence != 0 })
}

func title(verdict check.RunVerdict, info RunInfo) string {
	words := []string{clean(verdict.Scenario), fmt.Sprintf("seed %d", verdict.Seed)}
	if kind := clean(info.Environment.ClusterKind); kind != "" {
		words = append(words, kind+" cluster "+clean(info.Environment.ClusterName))
	}
	for _, component := range versions(info) {
		words = append(words, component.String())
	}
	return strings.Join(words, " · ")
}

// versions returns the components' versions, sorted by name.
func versions(info RunInfo) []component {
	var all []component
	for name, version := range info.Environment.Versions {
		all = append(all, component{clean(name), clean(version)})
	}
	slices.SortFunc(all, func(a, b component) int { return strings.Compare(a.name+"\x00"+a.version, b.name+"\x00"+b.version) })
	return all
}

type component struct{ name, version string }

// String says the component as the title does.
func (c component) String() string { return c.name + " " + c.version }

func invariantTable(out io.Writer, entries []entry, style Style) error {
	t := newGrid(style, 1, "Invariant", "Verdict", "Measured", "Bound", "Evidence")
	for _, e := range entries {
		if r := e.result; r != nil {
			t.add(e.outcome, e.name, e.verdict, clean(r.Measured), clean(r.Bound), eventNumbers(r.Evidence, evidenceShown))
		}
	}
	return t.render(out)
}

func faultTable(out io.Writer, entries []entry, style Style) error {
	t := newGrid(style, 2, "Fault", "Kind", "State", "Evidence")
	for _, e := range entries {
		if f := e.fault; f != nil {
			t.add(e.outcome, e.name, clean(f.Kind), e.verdict, strings.TrimSpace(eventNumber(f.Evidence)+" "+e.reason))
		}
	}
	return t.render(out)
}

func phaseTable(out io.Writer, verdict check.RunVerdict, style Style) error {
	t := newGrid(style, 4, "After fault", "Phase of recovery", "Took", "Adds", "Bound", "Between")
	for _, r := range tell.Recoveries(verdict) {
		for _, phase := range r.Phases {
			o, bound := phaseBound(phase.Phase)
			t.add(o, clean(phase.Fault), clean(phase.Name), took(phase.Duration), took(phase.Adds), bound,
				eventNumbers([]int64{phase.From, phase.To}, 0))
		}
		t.add(green, clean(r.Fault), "in all", "", took(r.Total), "", "")
	}
	return t.render(out)
}

func phaseBound(phase check.Phase) (outcome, string) {
	if phase.Bound == 0 {
		return green, ""
	}
	if phase.Duration > phase.Bound {
		return failing, took(phase.Bound) + " exceeded"
	}
	return green, took(phase.Bound)
}

// failures explains what went wrong, with the evidence, and how to run it again.
func failures(out io.Writer, entries []entry, info RunInfo, style Style) {
	bad := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.outcome == green })
	for _, e := range bad {
		fmt.Fprintf(out, "\n%s\n", style.paint(e.outcome, e.name+": "+e.verdict))
		for _, line := range table.Wrap(e.reason, style.Width-2) {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if e.result == nil {
			continue
		}
		for _, line := range story(*e.result) {
			for i, part := range table.Wrap(line, style.Width-6) {
				fmt.Fprintf(out, "    %s%s\n", strings.Repeat("  ", min(i, 1)), part)
			}
		}
	}
	if len(bad) > 0 {
		fmt.Fprintf(out, "\nRun it again: %s\n", info.rerun())
	}
}

func conclusion(out io.Writer, verdict check.RunVerdict, entries []entry, info RunInfo, style Style) {
	for _, e := range entries {
		if e.control != nil && e.outcome == green {
			fmt.Fprintf(out, "\nControl %s: %s\n", style.paint(e.outcome, e.verdict), e.reason)
		}
	}
	fmt.Fprintf(out, "\n%s: %s\n", style.paint(outcomeOf(verdict.Verdict), headline(verdict, info)), clean(verdict.Reason))
	fmt.Fprintf(out, "%d events, history sha256 %s\n", verdict.Events, orUnknown(clean(verdict.HistorySHA256)))
}

// grid is a table in which one column has the colour of the row's outcome.
type grid struct {
	table    *table.Table
	outcomes []outcome
}

func newGrid(style Style, painted int, header ...string) *grid {
	g := &grid{table: table.New(header...)}
	g.table.Width = style.Width
	g.table.Paint = func(row, column int, line string) string {
		if column != painted {
			return line
		}
		return style.paint(g.outcomes[row], line)
	}
	return g
}

func (g *grid) add(o outcome, cells ...string) {
	g.table.Add(cells...)
	g.outcomes = append(g.outcomes, o)
}

// render draws the table, an empty line before it; nothing if it has no rows.
func (g *grid) render(out io.Writer) error {
	if g.table.Rows() == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return fmt.Errorf("draw table: %w", err)
	}
	return g.table.Render(out)
}
