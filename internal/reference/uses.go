package reference

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The lists of a catalogue, as a scenario file names them.
const (
	asFault     = "fault"
	asAnchor    = "anchor"
	asInvariant = "invariant"
)

// use is what shipped scenarios say of one entry of a catalogue.
type use struct {
	scenarios []string   // the files, controls last
	example   *yaml.Node // the first of them: how it is written in a file
}

// uses are the uses of all entries, by list and name.
type uses map[string]*use

// usesIn reads how the shipped scenarios use the catalogue.
func usesIn(files fs.FS) (uses, error) {
	found := uses{}
	for _, pattern := range []string{"*.yaml", "controls/*.yaml"} {
		names, err := fs.Glob(files, pattern)
		if err != nil {
			return nil, fmt.Errorf("list the shipped scenarios: %w", err)
		}
		for _, name := range names {
			if err := found.read(files, name); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (u uses) read(files fs.FS, name string) error {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read a shipped scenario: %w", err)
	}
	var document struct {
		Spec struct {
			Faults []yaml.Node
			Expect []yaml.Node
		}
	}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("read the shipped scenario %s: %w", name, err)
	}
	for i := range document.Spec.Faults {
		fault := &document.Spec.Faults[i]
		u.add(name, asFault, field(fault, "inject"), fault)
		u.add(name, asAnchor, field(fault, "when"), field(fault, "when"))
		u.add(name, asAnchor, field(field(fault, "recover"), "when"), field(field(fault, "recover"), "when"))
	}
	for i := range document.Spec.Expect {
		u.add(name, asInvariant, &document.Spec.Expect[i], &document.Spec.Expect[i])
	}
	return nil
}

// add notes each name that a mapping has, written as example says.
func (u uses) add(file, list string, mapping, example *yaml.Node) {
	if mapping == nil {
		return
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := list + "/" + mapping.Content[i].Value
		if u[key] == nil {
			u[key] = &use{example: example}
		}
		if !slices.Contains(u[key].scenarios, file) {
			u[key].scenarios = append(u[key].scenarios, file)
		}
	}
}

// field returns a field of a mapping; nil if it has none.
func field(mapping *yaml.Node, name string) *yaml.Node {
	if mapping == nil {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// used writes how an entry is written, and which scenarios use it. under is the field that holds the example, unless it stands in a list.
func (p *page) used(u *use, under string, otherwise *yaml.Node) {
	if u == nil {
		if otherwise != nil {
			p.code("yaml", written(under, otherwise))
		}
		p.paragraph("No shipped scenario uses it.")
		return
	}
	p.code("yaml", written(under, u.example))
	var scenarios, controls []string
	for _, file := range u.scenarios {
		link := fmt.Sprintf("[%s](../../scenarios/%s)", strings.TrimSuffix(path.Base(file), ".yaml"), file)
		if path.Dir(file) == "controls" {
			controls = append(controls, link)
		} else {
			scenarios = append(scenarios, link)
		}
	}
	var lines []string
	if len(scenarios) > 0 {
		lines = append(lines, "Scenarios: "+strings.Join(scenarios, ", ")+".")
	}
	if len(controls) > 0 {
		lines = append(lines, "Controls: "+strings.Join(controls, ", ")+".")
	}
	p.paragraph(strings.Join(lines, "\n\n"))
}

// written returns YAML as it stands in a file: below a field, or as an item of a list.
func written(under string, example *yaml.Node) string {
	var document any = []*yaml.Node{example}
	if under != "" {
		document = map[string]*yaml.Node{under: example}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return err.Error() // not for a node that was read
	}
	return out.String()
}
