package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// clean returns text from outside as one line that is safe to print.
func clean(s string) string { return printable.Line(s) }

// markdownMarks are the characters that have a meaning in a line of Markdown.
const markdownMarks = "\\`*_{}[]<>|#~!&$"

// markdown escapes text from outside for Markdown.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		if strings.ContainsRune(markdownMarks, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' {
			// A backslash keeps no site from taking @name for a mention, which calls that person; a space without width does.
			b.WriteString("&#8203;")
		}
	}
	return b.String()
}

// markdownCode formats text as code. Its fence is longer than any row of backticks in it.
func markdownCode(s string) string {
	s = clean(s)
	longest, row := 0, 0
	for _, r := range s {
		if r == '`' {
			row++
			longest = max(longest, row)
		} else {
			row = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// took formats a duration with the precision that a reader needs.
func took(d time.Duration) string {
	if d > -time.Second && d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// eventNumbers formats sequence numbers: "#12, #45 and 3 more".
func eventNumbers(seqs []int64, most int) string {
	var words []string
	for i, seq := range seqs {
		if most > 0 && i == most {
			return strings.Join(words, ", ") + fmt.Sprintf(" and %d more", len(seqs)-most)
		}
		words = append(words, fmt.Sprintf("#%d", seq))
	}
	return strings.Join(words, ", ")
}

// eventNumber formats a sequence number; "" for 0, which is none.
func eventNumber(seq int64) string {
	if seq == 0 {
		return ""
	}
	return eventNumbers([]int64{seq}, 0)
}

// story returns the evidence of a result, one line per event, or only the event numbers if the checker gave no narrative.
func story(result check.Result) []string {
	var lines []string
	for _, line := range result.Narrative {
		lines = append(lines, fmt.Sprintf("#%d  +%.2fs  %s", line.Seq, line.Offset.Seconds(), clean(line.Text)))
	}
	if len(lines) == 0 && len(result.Evidence) > 0 {
		lines = append(lines, "events "+eventNumbers(result.Evidence, 0))
	}
	for _, assumption := range result.Assumptions {
		if !assumption.Held {
			lines = append(lines, "assumption not met: "+clean(assumption.What))
		}
	}
	return lines
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
