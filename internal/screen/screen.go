// Package screen keeps lines that change at the end of what a terminal shows, below lines that stay. It needs four control sequences, which
// every terminal knows, and neither reads nor changes the terminal's modes: a killed process leaves a terminal that works.
package screen

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/internal/printable"
)

// Screen shows lines on a terminal. It is not safe for concurrent use.
type Screen struct {
	out   io.Writer
	size  func() (columns, rows int)
	drawn []int // the widths of the changing lines, in columns
}

// The size of a terminal that does not tell its own.
const (
	usualColumns = 80
	usualRows    = 24
)

// Of returns the screen of a terminal; nil if a file is none.
func Of(file *os.File) *Screen {
	fd := int(file.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return &Screen{out: file, size: func() (int, int) {
		columns, rows, err := term.GetSize(fd)
		if err != nil || columns < 1 || rows < 1 {
			return usualColumns, usualRows
		}
		return columns, rows
	}}
}

// Show prints lines that stay, and below them changing lines in the place of those that were shown before. The changing lines are cut so
// that all of them can be seen, and erased.
func (s *Screen) Show(staying, changing []string) {
	columns, rows := s.size()
	var out strings.Builder
	out.WriteString(s.back(columns))
	if len(staying) > 0 {
		out.WriteString(erase) // before them: after a line as wide as the terminal it takes the line's last letter
	}
	for _, line := range staying {
		out.WriteString(clean(line) + "\r\n")
	}
	s.drawn = s.drawn[:0]
	for _, line := range fit(changing, columns, rows) {
		out.WriteString(line + eraseLine + "\r\n")
		s.drawn = append(s.drawn, twwidth.Width(line))
	}
	out.WriteString(erase)
	_, _ = io.WriteString(s.out, out.String()) // for people: no verdict depends on it
}

const (
	eraseLine = "\x1b[K" // from the cursor on
	erase     = "\x1b[J" // all from the cursor on
)

// back moves the cursor to the first of the changing lines. A terminal that was made narrower has wrapped them meanwhile.
func (s *Screen) back(columns int) string {
	up := 0
	for _, width := range s.drawn {
		up += max(1, (width+columns-1)/columns)
	}
	if up == 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", up)
}

// fit cuts lines to a terminal's size. The last row stays free for the cursor, and so does the last column, in which some terminals wrap.
func fit(lines []string, columns, rows int) []string {
	if most := rows - 1; len(lines) > most {
		shown := max(0, most-1)
		lines = append(lines[:shown:shown], fmt.Sprintf("… %d more lines", len(lines)-shown))
		lines = lines[:min(len(lines), max(0, most))]
	}
	fitted := make([]string, len(lines))
	for i, line := range lines {
		fitted[i] = cut(clean(line), columns-1)
	}
	return fitted
}

// clean makes one harmless line of a text.
func clean(text string) string {
	return printable.Lines(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(text))
}

// cut cuts a line to so many columns, with a mark where something is missing.
func cut(line string, columns int) string {
	if twwidth.Width(line) <= columns {
		return line
	}
	const mark = "…"
	var kept strings.Builder
	left := columns - twwidth.Width(mark)
	for _, r := range line {
		if left -= twwidth.Width(string(r)); left < 0 {
			break
		}
		kept.WriteRune(r)
	}
	if columns < 1 {
		return ""
	}
	return kept.String() + mark
}
