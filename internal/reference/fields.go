package reference

import (
	"fmt"
	"slices"
	"strings"
)

// header is that of the tables of fields.
func header(what string) []string { return []string{what, "value", "default", "meaning"} }

// scenario is the page of all fields of scenario files.
func (w *writer) scenario() string {
	var p page
	p.title("Scenario files", "Every field of a scenario file. `sparkchaos lint FILE` reports what is wrong with one, and "+
		"`sparkchaos schema` prints the JSON Schema by which editors complete and check fields.\n\n"+
		"Durations have a unit: `90s`, `10m`, `1h30m`. Fields with \"required\" have no default.")
	p.object("scenario", "", &w.schema)
	return p.String()
}

// object writes the section of an object and those of the objects in it.
func (p *page) object(title, path string, object *schema) {
	p.heading(2, title)
	p.paragraph(describe(title[strings.LastIndex(title, ".")+1:], object.Description))
	var rows [][]string
	for _, field := range object.Properties {
		cells := row(field.name, field, object.Required)
		if inner, behind := field.fields(); inner != nil {
			cells[1] = strings.Replace(cells[1], "object", "[object](#"+anchor(below(path, field.name+behind))+")", 1)
		}
		rows = append(rows, cells)
	}
	p.table(header("field"), rows)
	for _, field := range object.Properties {
		if inner, behind := field.fields(); inner != nil {
			path := below(path, field.name+behind)
			p.object(path, path, inner)
		}
	}
}

// below returns the path of a field of an object.
func below(path, field string) string { return strings.TrimPrefix(path+"."+field, ".") }

// anchor returns the anchor of the section with a path as its heading.
func anchor(path string) string {
	return strings.ToLower(strings.NewReplacer(".", "", "[", "", "]", "").Replace(path))
}

// arguments writes the table of the arguments of a fault, an anchor or an invariant, those in objects by their paths.
func (p *page) arguments(object *schema) {
	rows := argumentRows("", object)
	if len(rows) == 0 {
		p.paragraph("It takes no arguments.")
		return
	}
	p.table(header("argument"), rows)
}

func argumentRows(prefix string, object *schema) [][]string {
	var rows [][]string
	for _, field := range object.Properties {
		rows = append(rows, row(prefix+field.name, field, object.Required))
		if inner, behind := field.fields(); inner != nil {
			rows = append(rows, argumentRows(prefix+field.name+behind+".", inner)...)
		}
	}
	return rows
}

func row(name string, field property, required []string) []string {
	value := ""
	switch {
	case slices.Contains(required, field.name):
		value = "required"
	case field.Default != nil:
		value = quoted(fmt.Sprint(field.Default))
	}
	description := field.Description
	if description == "" && field.Items != nil {
		description = field.Items.Description
	}
	return []string{quoted(name), field.kind(), value, describe(field.name, description)}
}

// describe returns a description, which may begin with the field's name in Go, as Markdown with the name that the file has.
func describe(name, description string) string {
	if first, rest, found := strings.Cut(description, " "); found && strings.EqualFold(first, name) {
		return quoted(name) + " " + escape(rest)
	}
	return escape(description)
}
