// Package table draws tables on terminals, for pipes and in files.
package table

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
)

// Table is a table whose cells are all known before it is drawn, so that it can be fitted to a width.
type Table struct {
	header []string
	rows   [][]string

	// Width is the number of columns of the terminal; 0 is without limit.
	Width int
	// Paint, if it is set, returns a line of a cell with escape sequences around it, which take no space.
	Paint func(row, column int, line string) string
}

// New returns a table without rows.
func New(header ...string) *Table { return &Table{header: header} }

// Add appends a row, which must have as many cells as the header.
func (t *Table) Add(cells ...string) {
	t.rows = append(t.rows, cells)
}

// Rows returns the number of rows.
func (t *Table) Rows() int { return len(t.rows) }

// Render draws the table.
func (t *Table) Render(out io.Writer) error {
	widths := t.fit()
	var text bytes.Buffer // the library forgets what a writer says
	drawn := tablewriter.NewTable(&text,
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	drawn.Header(wrapped(t.header, widths))
	for i, row := range t.rows {
		if err := drawn.Append(t.painted(i, wrapped(row, widths))); err != nil {
			return fmt.Errorf("draw table: %w", err)
		}
	}
	if err := drawn.Render(); err != nil {
		return fmt.Errorf("draw table: %w", err)
	}
	if _, err := text.WriteTo(out); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// painted returns the cells of a row, each line of them painted.
func (t *Table) painted(row int, cells []string) []string {
	if t.Paint == nil {
		return cells
	}
	for column, cell := range cells {
		lines := strings.Split(cell, "\n")
		for i, line := range lines {
			lines[i] = t.Paint(row, column, line)
		}
		cells[column] = strings.Join(lines, "\n")
	}
	return cells
}

func wrapped(row []string, widths []int) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = strings.Join(Wrap(cell, widths[i]), "\n")
	}
	return cells
}

// narrowest is the width below which no column is narrowed: the table is then wider than the terminal.
const narrowest = 8

// fit returns the columns' widths: as wide as their cells, the widest ones narrowed until the table fits.
func (t *Table) fit() []int {
	widths := make([]int, len(t.header))
	total := 1
	for i := range widths {
		widths[i] = twwidth.Width(t.header[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], twwidth.Width(row[i]))
		}
		total += widths[i] + 3 // a border and two blanks
	}
	for t.Width > 0 && total > t.Width {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= narrowest {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// Wrap breaks text into lines of at most width columns, at blanks where there are any. A width below 1 is no limit.
func Wrap(text string, width int) []string {
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
