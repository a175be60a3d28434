// Package reference writes the reference of sparkchaos from the code: Markdown pages and manual pages of every command, fault, anchor,
// invariant and field of a scenario file. The text is the one that the catalogues, the commands and the JSON Schema hold; nothing of it
// is written here a second time.
package reference

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Source is what the reference is written from.
type Source struct {
	Root      *cobra.Command
	Catalogue scenario.Catalogue
	Faults    []faults.Kind // those of the catalogue, with their effects and examples
	Schema    string        // the JSON Schema of scenario files
	Scenarios fs.FS         // the shipped scenarios, controls in controls/
}

// The pages of the reference, by their files.
const (
	indexPage      = "README.md"
	faultsPage     = "faults.md"
	anchorsPage    = "anchors.md"
	invariantsPage = "invariants.md"
	scenarioPage   = "scenario.md"
	commandsPage   = "commands.md"
)

// Pages returns the Markdown files of the reference by their paths below its folder, docs/reference.
func Pages(source Source) (map[string]string, error) {
	w, err := newWriter(source)
	if err != nil {
		return nil, err
	}
	pages := map[string]string{
		faultsPage:     w.faults(),
		anchorsPage:    w.anchors(),
		invariantsPage: w.invariants(),
		scenarioPage:   w.scenario(),
		commandsPage:   w.commands(),
	}
	for _, command := range documented(source.Root) {
		pages[commandFile(command)] = commandPage(command)
	}
	pages[indexPage] = w.index()
	return pages, nil
}

// writer writes the pages of one source.
type writer struct {
	Source
	schema schema
	uses   uses
}

func newWriter(source Source) (*writer, error) {
	w := &writer{Source: source}
	if err := json.Unmarshal([]byte(source.Schema), &w.schema); err != nil {
		return nil, fmt.Errorf("read the JSON Schema of scenario files: %w", err)
	}
	var err error
	if w.uses, err = usesIn(source.Scenarios); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *writer) index() string {
	var p page
	p.title("Reference", "Written from the code by `make reference`, and compared with it by a test.")
	p.list(
		fmt.Sprintf("[Commands](%s): %d, with all their flags", commandsPage, len(documented(w.Root))),
		fmt.Sprintf("[Scenario files](%s): every field", scenarioPage),
		fmt.Sprintf("[Faults](%s): %d, what each does, and by what means", faultsPage, len(w.Catalogue.Faults)),
		fmt.Sprintf("[Anchors](%s): the %d events at which steps can begin", anchorsPage, len(w.Catalogue.Anchors)),
		fmt.Sprintf("[Invariants](%s): the %d properties that can be judged", invariantsPage, len(w.Catalogue.Invariants)),
	)
	p.paragraph("The same text as manual pages: `sparkchaos man DIRECTORY`. The words are explained in the [glossary](../glossary.md).")
	return p.String()
}
