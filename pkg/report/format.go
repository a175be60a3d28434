package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/trace"
)

// Format is one form of a report.
type Format string

// The formats.
const (
	Table    Format = "table"
	JUnit    Format = "junit"
	JSON     Format = "json"
	Markdown Format = "md"
	HTML     Format = "html"
	CTRF     Format = "ctrf"
	GitHub   Format = "github"
	Chrome   Format = "chrome"
	Perfetto Format = "perfetto"
	OTLP     Format = "otlp"

	OpenMetrics Format = "openmetrics"
)

// definition is how the reports of a format are made and kept.
type definition struct {
	format Format
	file   string // its name; empty if it is only printed
	asked  bool   // made when it is asked for, and not for each run
	render func(check.RunVerdict, RunInfo, Style) ([]byte, error)
}

// definitions returns all formats. A new one needs a line here and a file with its definition.
func definitions() []definition {
	return []definition{
		tableFormat(), junitFormat(), jsonFormat(), markdownFormat(), htmlFormat(), ctrfFormat(), githubFormat(),
		traceFormat(Chrome, "trace.chrome.json", (*trace.Run).Chrome), traceFormat(Perfetto, "trace.pftrace", (*trace.Run).Perfetto),
		traceFormat(OTLP, "trace.otlp.json", (*trace.Run).OTLP), openMetricsFormat(),
	}
}

func defined(format Format) (definition, error) {
	all := definitions()
	i := slices.IndexFunc(all, func(d definition) bool { return d.format == format })
	if i < 0 {
		return definition{}, fmt.Errorf("format %q is unknown: expected one of %v", format, Formats())
	}
	return all[i], nil
}

// Formats returns all formats.
func Formats() []Format {
	var formats []Format
	for _, d := range definitions() {
		formats = append(formats, d.format)
	}
	return formats
}

// Kept returns the formats that are kept in files of each run directory.
func Kept() []Format {
	return slices.DeleteFunc(Formats(), func(f Format) bool {
		d, err := defined(f)
		return err != nil || d.file == "" || d.asked
	})
}

// ParseFormats reads a list of formats separated by commas.
func ParseFormats(list string) ([]Format, error) {
	var formats []Format
	for name := range strings.SplitSeq(list, ",") {
		format := Format(strings.TrimSpace(name))
		if !slices.Contains(Formats(), format) {
			return nil, fmt.Errorf("format %q is unknown: expected one or more of %v, separated by commas", name, Formats())
		}
		formats = append(formats, format)
	}
	return formats, nil
}

// File returns the name of the file that a format is kept in, or false if it is only printed.
func (f Format) File() (string, bool) {
	d, err := defined(f)
	return d.file, err == nil && d.file != ""
}

// Render returns the report in a format. style is for tables only.
func Render(format Format, verdict check.RunVerdict, info RunInfo, style Style) ([]byte, error) {
	d, err := defined(format)
	if err != nil {
		return nil, err
	}
	return d.render(verdict, info, style)
}

// WriteFiles writes the given formats into a directory; each file appears whole or not at all.
func WriteFiles(directory string, verdict check.RunVerdict, info RunInfo, formats ...Format) error {
	info = info.sharing(verdict)
	for _, format := range formats {
		name, kept := format.File()
		if !kept {
			return fmt.Errorf("a %s is not kept in a file", format)
		}
		content, err := Render(format, verdict, info, Style{})
		if err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Join(directory, name), content, 0o600); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}
