package report

import (
	"bytes"
	"fmt"
	"io"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
)

// Advice explains the recoveries of the run that a directory holds; false if its history is not there.
func Advice(info RunInfo) (advise.Report, bool, error) {
	record, err := info.record(nil)
	if err != nil || record == nil {
		return advise.Report{}, false, err
	}
	advice, err := advise.Of(record.Model)
	return advice, true, err
}

// AdviceText returns the advice for a terminal, with the run that it is about above it.
func AdviceText(advice advise.Report, verdict check.RunVerdict, info RunInfo, style Style) []byte {
	out := &bytes.Buffer{}
	fmt.Fprintf(out, "%s\n", style.paint(outcomeOf(verdict.Verdict), clean(verdict.Scenario)+": "+headline(verdict, info)))
	if advice.Note != "" {
		wrapped(out, advice.Note, "", style)
	}
	fmt.Fprintf(out, "\nWhy it took so long\n")
	if len(advice.Delays) == 0 {
		fmt.Fprintf(out, "  No fault cost the application a driver or an executor whose recovery was seen.\n")
	}
	for _, d := range advice.Delays {
		wrapped(out, delaySentence(d), "  ", style)
	}
	fmt.Fprintf(out, "\nWhat would help\n")
	if len(advice.Advices) == 0 {
		fmt.Fprintf(out, "  No setting that sparkchaos knows of would have made it shorter by more than half a second.\n")
	}
	for i, a := range advice.Advices {
		wrapped(out, fmt.Sprintf("%d. %s", i+1, adviceSentence(a)), "  ", style)
	}
	return out.Bytes()
}

// delaySentence returns a delay with its cause and the events that show it.
func delaySentence(d advise.Delay) string {
	took := wording.Duration(d.Took)
	if d.Open {
		took = "more than " + took
	}
	text := fmt.Sprintf("%s after fault %s: %s", d.Name, d.Fault, took)
	if d.Expected.Known() {
		text += fmt.Sprintf(" (its settings predict %s)", d.Expected)
	}
	return fmt.Sprintf("%s. %s [%s]", text, d.Why, eventNumbers([]int64{d.From, d.To}, 0))
}

// adviceSentence returns a change with what it promises and what it costs.
func adviceSentence(a advise.Advice) string {
	effect := fmt.Sprintf("%s would take %s, %s less", a.Delay.Name, a.Expected, wording.Duration(a.Gain))
	if a.Delay.Beside {
		effect += "; the recovery itself would be as long as before"
	}
	return fmt.Sprintf("%s. Predicted: %s. What it costs: %s", a.Change, effect, a.Cost)
}

// markdownAdvice writes why the recoveries took so long, and what would help; nothing if there is nothing to say.
func markdownAdvice(out io.Writer, info RunInfo) {
	advice, known, err := Advice(info)
	if err != nil || !known || len(advice.Delays) == 0 {
		return // the story has told of a history that cannot be read, and the verdict of such a plan
	}
	fmt.Fprintf(out, "\n## Why it took so long\n\n")
	for _, d := range advice.Delays {
		fmt.Fprintf(out, "- %s\n", markdown(delaySentence(d)))
	}
	if len(advice.Advices) > 0 {
		fmt.Fprintf(out, "\n## What would help\n\n")
	}
	for i, a := range advice.Advices {
		fmt.Fprintf(out, "%d. %s\n", i+1, markdown(adviceSentence(a)))
	}
}
