package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/pkg/check"
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

// evidenceShown is how many event numbers fit into a cell.
const evidenceShown = 6

func renderTable(verdict check.RunVerdict, info RunInfo, style Style) ([]byte, error) {
	out := &bytes.Buffer{}
	entries := judge(verdict)
	fmt.Fprintln(out, title(verdict, info))
	if err := invariantTable(out, entries, style); err != nil {
		return nil, err
	}
	if err := faultTable(out, verdict, entries, style); err != nil {
		return nil, err
	}
	if err := phaseTable(out, verdict, style); err != nil {
		return nil, err
	}
	failures(out, entries, info, style)
	conclusion(out, verdict, entries, info, style)
	return out.Bytes(), nil
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

// versions lists the components' versions in the order of their names.
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
	t := grid{header: []string{"Invariant", "Verdict", "Measured", "Bound", "Evidence"}, painted: 1}
	for _, e := range entries {
		if r := e.result; r != nil {
			t.add(e.outcome, e.name, e.verdict, clean(r.Measured), clean(r.Bound), eventNumbers(r.Evidence, evidenceShown))
		}
	}
	return t.render(out, style)
}

func faultTable(out io.Writer, verdict check.RunVerdict, entries []entry, style Style) error {
	t := grid{header: []string{"Fault", "Kind", "State", "Evidence"}, painted: 2}
	faults := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.group != "faults" })
	for i, e := range faults {
		evidence := e.reason
		if seq := verdict.Faults[i].Evidence; seq != 0 {
			evidence = strings.TrimSpace(fmt.Sprintf("#%d %s", seq, evidence))
		}
		t.add(e.outcome, e.name, clean(verdict.Faults[i].Kind), e.verdict, evidence)
	}
	return t.render(out, style)
}

func phaseTable(out io.Writer, verdict check.RunVerdict, style Style) error {
	t := grid{header: []string{"After fault", "Phase of recovery", "Took", "Bound", "Between"}, painted: 2}
	for _, result := range verdict.Results {
		for _, phase := range result.Phases {
			o, bound := phaseBound(phase)
			t.add(o, clean(phase.Fault), clean(phase.Name), took(phase.Duration), bound, eventNumbers([]int64{phase.From, phase.To}, 0))
		}
	}
	return t.render(out, style)
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

// failures tells what went wrong, by which events, and how to see it again.
func failures(out io.Writer, entries []entry, info RunInfo, style Style) {
	bad := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.outcome == green })
	for _, e := range bad {
		fmt.Fprintf(out, "\n%s\n", style.paint(e.outcome, e.name+": "+e.verdict))
		for _, line := range wrap(e.reason, style.Width-2) {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if e.result == nil {
			continue
		}
		for _, line := range story(*e.result) {
			for i, part := range wrap(line, style.Width-6) {
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
		if e.name == "control" && e.group == "run" && e.outcome == green {
			fmt.Fprintf(out, "\nControl %s: %s\n", style.paint(e.outcome, e.verdict), e.reason)
		}
	}
	fmt.Fprintf(out, "\n%s: %s\n", style.paint(outcomeOf(verdict.Verdict), headline(verdict, info)), clean(verdict.Reason))
	fmt.Fprintf(out, "%d events, history sha256 %s\n", verdict.Events, orUnknown(clean(verdict.HistorySHA256)))
}

// grid is a table whose cells are known before it is drawn, so that it can be fitted to a width.
type grid struct {
	header   []string
	rows     [][]string
	outcomes []outcome
	painted  int // the column that shows the outcome's colour
}

func (g *grid) add(o outcome, cells ...string) {
	g.rows = append(g.rows, cells)
	g.outcomes = append(g.outcomes, o)
}

// render draws the table, an empty line before it; nothing if it has no rows.
func (g *grid) render(out io.Writer, style Style) error {
	if len(g.rows) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	widths := g.fit(style.Width)
	table := tablewriter.NewTable(out,
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	table.Header(g.cells(g.header, widths))
	for i, row := range g.rows {
		cells := g.cells(row, widths)
		lines := strings.Split(cells[g.painted], "\n")
		for n := range lines {
			lines[n] = style.paint(g.outcomes[i], lines[n])
		}
		cells[g.painted] = strings.Join(lines, "\n")
		if err := table.Append(cells); err != nil {
			return fmt.Errorf("draw table: %w", err)
		}
	}
	if err := table.Render(); err != nil {
		return fmt.Errorf("draw table: %w", err)
	}
	return nil
}

func (g *grid) cells(row []string, widths []int) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = strings.Join(wrap(cell, widths[i]), "\n")
	}
	return cells
}

// narrowest is what a column is never made narrower than: the table is then wider than the terminal.
const narrowest = 8

// fit returns the columns' widths: as wide as their cells, the widest ones narrowed until the table fits.
func (g *grid) fit(width int) []int {
	widths := make([]int, len(g.header))
	total := 1
	for i := range widths {
		widths[i] = twwidth.Width(g.header[i])
		for _, row := range g.rows {
			widths[i] = max(widths[i], twwidth.Width(row[i]))
		}
		total += widths[i] + 3 // a border and two blanks
	}
	for width > 0 && total > width {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= narrowest {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// wrap breaks text into lines of at most width columns, at blanks where there are any. A width below 1 is no limit.
func wrap(text string, width int) []string {
	if width < 1 || twwidth.Width(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && twwidth.Width(line)+1+twwidth.Width(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		parts := cut(word, width)
		lines = append(lines, parts[:len(parts)-1]...)
		line = parts[len(parts)-1]
	}
	return append(lines, line)
}

// cut breaks a word that is wider than a line.
func cut(word string, width int) []string {
	var parts []string
	part := ""
	for _, r := range word {
		if part != "" && twwidth.Width(part+string(r)) > width {
			parts = append(parts, part)
			part = ""
		}
		part += string(r)
	}
	return append(parts, part)
}
