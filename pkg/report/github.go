package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// MaxSummary is the size of the largest summary of a step that GitHub shows; it drops a larger one as a whole.
const MaxSummary = 1 << 20

// MaxAnnotations is how many annotations of a kind GitHub shows of a step.
const MaxAnnotations = 10

// summaryCut ends a summary from which something was left out.
const summaryCut = "\n\n**This summary is cut: it would be larger than GitHub shows. The rest is in the run directories.**\n"

// githubFormat is the summary of a step of GitHub Actions.
func githubFormat() definition {
	return definition{format: GitHub, file: "summary.md", asked: true,
		render: func(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
			return RenderSummary([]Run{{Verdict: verdict, Info: info}}, MaxSummary)
		}}
}

// RenderSummary returns the summary of runs for a step of GitHub Actions: a table with the worst first, then what each run says. It has
// at most so many bytes; what does not fit is cut off with a word.
func RenderSummary(runs []Run, most int) ([]byte, error) {
	runs = worstFirst(runs)
	out := &bytes.Buffer{}
	if len(runs) != 1 {
		summaryTable(out, runs)
	}
	for _, run := range runs {
		if out.Len() > most {
			break
		}
		page, err := renderMarkdown(run.Verdict, run.Info, Style{})
		if err != nil {
			return nil, err
		}
		if out.Len() > 0 {
			out.WriteString("\n---\n\n")
		}
		out.Write(page)
	}
	return cutSummary(out.Bytes(), most), nil
}

func summaryTable(out *bytes.Buffer, runs []Run) {
	fmt.Fprintf(out, "# sparkchaos: %s\n\n| Scenario | Seed | Verdict | Took | Why |\n|%s\n", tally(runs), strings.Repeat(" --- |", 5))
	for _, run := range runs {
		verdict := markdown(strings.ToLower(headline(run.Verdict, run.Info)))
		if run.Verdict.Verdict != check.Pass {
			verdict = "**" + verdict + "**"
		}
		name := markdown(run.name())
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", name, run.Verdict.Seed, verdict, took(run.Info.Took), markdown(run.Verdict.Reason))
	}
}

// cutSummary cuts a text at the end of a line. Where not even the word about it fits, nothing is left: half a word says nothing.
func cutSummary(content []byte, most int) []byte {
	if len(content) <= most {
		return content
	}
	room := most - len(summaryCut)
	if room < 0 {
		return nil
	}
	whole := content[:max(0, bytes.LastIndexByte(content[:room+1], '\n'))]
	return append(slices.Clone(whole), summaryCut...)
}

// Annotations returns the lines by which GitHub Actions shows what was not green, the worst first: an error for each run, and how many more
// there are.
func Annotations(runs []Run) []string {
	var lines []string
	for _, worst := range []outcome{failing, erring} {
		for _, run := range runs {
			if outcomeOf(run.Verdict.Verdict) == worst {
				title := fmt.Sprintf("%s: %s", clean(run.Verdict.Scenario), run.Verdict.Verdict)
				lines = append(lines, annotation(title, clean(run.Verdict.Reason)+"\nRun it again: "+run.Info.rerun()))
			}
		}
	}
	if more := len(lines) - (MaxAnnotations - 1); more > 1 {
		lines = append(lines[:MaxAnnotations-1],
			annotation("sparkchaos", fmt.Sprintf("%d more runs did not pass; the summary lists them all", more)))
	}
	return lines
}

// annotation writes a workflow command. What ends a command or a property in it is escaped, so that no text from outside is one.
func annotation(title, message string) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer(":", "%3A", ",", "%2C")
	return "::error title=" + property.Replace(data.Replace(title)) + "::" + data.Replace(message)
}
