package reference

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra/doc"
)

// formatPage is the manual page of scenario files, in section 5, where file formats are.
const formatPage = "sparkchaos-scenario.5"

// Man writes the manual pages into a directory, which is made if there is none: one of section 1 for each command, and
// sparkchaos-scenario(5) with all that a scenario file may say.
func Man(source Source, directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("make the directory of the manual pages: %w", err)
	}
	source.Root.InitDefaultCompletionCmd()
	source.Root.DisableAutoGenTag = true
	header := doc.GenManHeader{Section: "1", Source: "sparkchaos " + source.Root.Version, Manual: "sparkchaos"}
	if err := doc.GenManTree(source.Root, &header, directory); err != nil {
		return fmt.Errorf("write the manual pages of the commands: %w", err)
	}
	w, err := newWriter(source)
	if err != nil {
		return err
	}
	path := filepath.Join(directory, formatPage)
	if err := os.WriteFile(path, w.format(header.Source), 0o644); err != nil {
		return fmt.Errorf("write the manual page of scenario files: %w", err)
	}
	return nil
}

// format returns the manual page of scenario files, made of the pages of the reference.
func (w *writer) format(release string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "%% \"SPARKCHAOS-SCENARIO\" \"5\" \"\" %q \"sparkchaos\"\n# NAME\n"+
		"sparkchaos-scenario - files that say what to launch, "+
		"what to disturb and what must hold\n", release)
	for _, markdown := range []string{w.scenario(), w.faults(), w.anchors(), w.invariants()} {
		text.WriteString(plain(markdown))
	}
	text.WriteString("\n# SEE ALSO\n**sparkchaos(1)**, **sparkchaos-lint(1)**, **sparkchaos-explain(1)**, **sparkchaos-schema(1)**\n")
	return md2man.Render([]byte(text.String()))
}

// plain returns Markdown without what a manual page has no use for: comments, tables of contents, and where links lead to.
func plain(markdown string) string {
	for _, r := range []struct{ pattern, replacement string }{
		{`(?s)<!--.*?-->\n`, ""},
		{`(?m)^- \[[^]]*\]\(#[^)]*\)\n`, ""},
		{`\[([^]]*)\]\([^)]*\)`, "$1"},
	} {
		markdown = regexp.MustCompile(r.pattern).ReplaceAllString(markdown, r.replacement)
	}
	return regexp.MustCompile(`(?m)^# .*$`).ReplaceAllStringFunc(markdown, strings.ToUpper)
}
