package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The limits of a document. A scenario has some hundred nodes; aliases can make a small file a huge one.
const (
	// MaxBytes is the size of the largest document that is accepted.
	MaxBytes    = 1 << 20
	maxVisits   = 100_000
	maxDepth    = 100
	maxProblems = 100
)

// Field is where a value stands: its path in the document and the struct tag of the field that holds it.
type Field struct {
	Path string
	Tag  reflect.StructTag
}

// Key returns the field of a mapping's value, which inherits nothing of the tag.
func (f Field) Key(name string) Field {
	if f.Path == "" {
		return Field{Path: name}
	}
	return Field{Path: f.Path + "." + name}
}

// Index returns the field of a list's element. It keeps the tag: what a list's tag says holds for its elements.
func (f Field) Index(i int) Field {
	return Field{Path: fmt.Sprintf("%s[%d]", f.Path, i), Tag: f.Tag}
}

// Custom decodes values of one type whose form the struct tags cannot say. It reports problems to the Decoder.
type Custom func(d *Decoder, node *yaml.Node, into reflect.Value, at Field)

// Decoder decodes one document.
type Decoder struct {
	custom   map[reflect.Type]Custom
	words    map[string][]string
	nodes    map[string]*yaml.Node // by path
	problems []Problem
	visits   int
	depth    int
	stopped  bool
}

// NewDecoder returns a Decoder; custom has the types that need their own decoding, by pointer-free type.
func NewDecoder(custom map[reflect.Type]Custom) *Decoder {
	return &Decoder{custom: custom, nodes: map[string]*yaml.Node{}}
}

// WithWords gives the decoder the sets of texts that tags name with the key words, and returns it.
func (d *Decoder) WithWords(sets map[string][]string) *Decoder {
	d.words = sets
	return d
}

// Decode fills the struct that into points to from the one document in data. What is wrong is kept for Problems; the
// value is complete only if there are none.
func (d *Decoder) Decode(data []byte, into any) {
	root := d.parse(data)
	if root == nil {
		return
	}
	d.Value(root, reflect.ValueOf(into).Elem(), Field{})
}

// Problems returns what was found wrong, in the order of the document; nil if nothing was.
func (d *Decoder) Problems() []Problem {
	found := slices.Clone(d.problems)
	slices.SortStableFunc(found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return found
}

// Err returns the problems as an *Error of the named file, or nil.
func (d *Decoder) Err(file string) error {
	if len(d.problems) == 0 {
		return nil
	}
	return &Error{File: file, Problems: d.Problems()}
}

// Problem reports what is wrong with the value at a path; if the document has none there, at what encloses it.
// A value that has a problem already, by itself or with what encloses it, keeps that one alone: what follows from it
// helps nobody.
func (d *Decoder) Problem(path, format string, args ...any) {
	if slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path != "" && within(path, p.Path) }) {
		return
	}
	for at := path; ; {
		if node, ok := d.nodes[at]; ok || at == "" {
			d.Complain(node, Field{Path: path}, format, args...)
			return
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
}

// within reports whether a path is another one or lies below it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Complain reports what is wrong with a node.
func (d *Decoder) Complain(node *yaml.Node, at Field, format string, args ...any) {
	if d.stopped {
		return
	}
	problem := Problem{Line: 1, Column: 1, Path: at.Path, Message: fmt.Sprintf(format, args...)}
	if node != nil {
		problem.Line, problem.Column = max(node.Line, 1), max(node.Column, 1)
	}
	d.problems = append(d.problems, problem)
	if len(d.problems) == maxProblems {
		d.stop(node, "more than %d problems; the rest is not shown", maxProblems)
	}
}

func (d *Decoder) stop(node *yaml.Node, format string, args ...any) {
	problem := Problem{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	if node != nil {
		problem.Line, problem.Column = max(node.Line, 1), max(node.Column, 1)
	}
	d.problems = append(d.problems, problem)
	d.stopped = true
}

// yamlError is how the YAML library writes its syntax errors.
const yamlError = `^yaml: (?:line (\d+): )?(.*)$`

func (d *Decoder) parse(data []byte) *yaml.Node {
	if len(data) > MaxBytes {
		d.stop(nil, "the file has more than %d bytes, which is the most that is accepted", MaxBytes)
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := reader.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0:
		d.stop(nil, "the file is empty")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(err)
		return nil
	default:
		d.Complain(&second, Field{}, "a second document begins here; put each into a file of its own")
	}
	return document.Content[0]
}

func (d *Decoder) syntax(err error) {
	line, message := 1, err.Error()
	if m := regexp.MustCompile(yamlError).FindStringSubmatch(strings.ReplaceAll(message, "\n", " ")); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	d.stop(&yaml.Node{Line: line, Column: 1}, "not YAML: %s", message)
}

// enter follows an alias and counts the visit. False: the document costs too much, and nothing more is to be done.
func (d *Decoder) enter(node *yaml.Node) (*yaml.Node, bool) {
	if d.stopped {
		return nil, false
	}
	d.visits++
	if d.visits > maxVisits || d.depth > maxDepth {
		d.stop(node, "the document is too large or too deep once its aliases are followed; write it out, with at most %d values and %d levels",
			maxVisits, maxDepth)
		return nil, false
	}
	for node.Kind == yaml.AliasNode && node.Alias != nil {
		node = node.Alias
	}
	return node, true
}
