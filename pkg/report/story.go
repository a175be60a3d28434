package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report/html"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// reading is what reports take from a history.
type reading struct {
	record    *tell.Record // nil if there is no history, or none that this release reads: reports then show the verdict alone
	collector *html.Collector
}

// sharing returns info for several reports of a verdict, which read the history once.
func (i RunInfo) sharing(verdict check.RunVerdict) RunInfo {
	alone := i
	i.shared = sync.OnceValues(func() (reading, error) {
		collector := html.NewCollector(evidence(verdict))
		record, err := alone.record(collector.Observe)
		return reading{record: record, collector: collector}, err
	})
	return i
}

// reading returns what the report of a verdict takes from the history.
func (i RunInfo) reading(verdict check.RunVerdict) (reading, error) {
	if i.shared == nil {
		i = i.sharing(verdict)
	}
	return i.shared()
}

// record reads the history of the run directory; nil if there is none, or none that this release reads.
func (i RunInfo) record(each func(*history.Event)) (*tell.Record, error) {
	if i.shared != nil && each == nil {
		shared, err := i.shared()
		return shared.record, err
	}
	file, err := regular.Open(filepath.Join(i.Directory, HistoryFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) { // EINVAL: no file can have such a name
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	record, err := tell.Read(file, each)
	var version *history.VersionError
	if errors.As(err, &version) {
		return nil, nil
	}
	return record, err
}

// errNoHistory is why a run whose history is not there, or was recorded by another release, has no report of some formats.
var errNoHistory = errors.New("traces and metrics are made of the history")

// needed is record for formats that show nothing but the history.
func (i RunInfo) needed(each func(*history.Event)) (*tell.Record, error) {
	record, err := i.record(each)
	if err == nil && (record == nil || record.Model.Events == 0) {
		err = fmt.Errorf("%w, and %s has no %s that this release reads", errNoHistory, clean(i.Directory), HistoryFile)
	}
	return record, err
}

// Story returns the story of the run that a directory holds; an empty one if its history is not there.
func Story(verdict check.RunVerdict, info RunInfo) (tell.Story, error) {
	record, err := info.record(nil)
	if err != nil || record == nil {
		return tell.Story{}, err
	}
	return tell.Of(record, verdict), nil
}

// StoryText returns a story for a terminal, with the verdict above it.
func StoryText(story tell.Story, verdict check.RunVerdict, info RunInfo, style Style) []byte {
	out := &bytes.Buffer{}
	fmt.Fprintf(out, "%s\n", style.paint(outcomeOf(verdict.Verdict), clean(verdict.Scenario)+": "+headline(verdict, info)))
	wrapped(out, verdict.Reason, "", style)
	fmt.Fprintln(out)
	wrapped(out, sentences(story.Lead), "", style)
	for _, p := range story.Paragraphs {
		fmt.Fprintf(out, "\n%s\n", p.Heading)
		for _, s := range p.Sentences {
			wrapped(out, s.String(), "  ", style)
		}
	}
	return out.Bytes()
}

// wrapped writes a text as lines that fit, all but the first of them further in.
func wrapped(out io.Writer, text, indent string, style Style) {
	for i, line := range table.Wrap(clean(text), style.Width-2*len(indent)) {
		fmt.Fprintf(out, "%s%s%s\n", indent, strings.Repeat(" ", min(i, 1)*len(indent)), line)
	}
}

func sentences(all []tell.Sentence) string {
	var texts []string
	for _, s := range all {
		texts = append(texts, s.String())
	}
	return strings.Join(texts, " ")
}

// markdownStory writes the story of the run; nothing if its history is not there.
func markdownStory(out io.Writer, verdict check.RunVerdict, info RunInfo) error {
	story, err := Story(verdict, info)
	if err != nil || len(story.Paragraphs) == 0 {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", markdown(sentences(story.Lead)))
	for _, p := range story.Paragraphs {
		fmt.Fprintf(out, "\n**%s.** %s\n", p.Heading, markdown(sentences(p.Sentences)))
	}
	return nil
}
