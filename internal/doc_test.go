// Package internal_test checks what the documentation says about the code.
package internal_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// top is the root of the checkout.
const top = ".."

// maxDoc is how long a doc comment may be, in bytes: who needs more describes two things, or a design that belongs to the
// package comment.
const maxDoc = 400

// maxColumns is how long a line of Go may be, in characters.
const maxColumns = 140

// goFiles returns the Go files of this module without tests, by their paths in the checkout.
func goFiles(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(allGoFiles(t), func(path string) bool { return strings.HasSuffix(path, "_test.go") })
}

// allGoFiles returns the Go files of this module, by their paths in the checkout.
func allGoFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "testdata", "node_modules"}, entry.Name()) || path != top && isModule(path) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d Go files were found below %s", len(files), top)
	}
	return files
}

// isModule reports whether a directory is a nested module.
func isModule(directory string) bool {
	_, err := os.Stat(filepath.Join(directory, "go.mod"))
	return err == nil
}

// documented is an exported name with its doc comment.
type documented struct {
	name, doc string
	position  token.Position
}

// exported returns the exported names of a file that have a doc comment: functions, methods of exported types, and types,
// variables and constants that are declared by themselves.
func exported(t *testing.T, path string) []documented {
	t.Helper()
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	add := func(name *ast.Ident, doc *ast.CommentGroup) {
		if name.IsExported() && doc != nil {
			all = append(all, documented{name.Name, doc.Text(), positions.Position(name.Pos())})
		}
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			add(d.Name, d.Doc)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					doc := s.Doc
					if doc == nil && !d.Lparen.IsValid() {
						doc = d.Doc
					}
					add(s.Name, doc)
				}
				if s, ok := spec.(*ast.ValueSpec); ok && !d.Lparen.IsValid() {
					add(s.Names[0], d.Doc)
				}
			}
		}
	}
	return all
}

// opening is how a doc comment begins: the name, perhaps after an article, and a verb; the third person of it unless the
// name is a plural.
func opening(name string) *regexp.Regexp {
	verb := `(?:is|are|has|may|must|can|[a-z]+s)\b`
	if strings.HasSuffix(name, "s") {
		verb = `[a-z]{2,}\b`
	}
	quoted := regexp.QuoteMeta(name)
	several := `(?:\w+(?:, \w+)* and \w+ (?:are|is|[a-z]+)\b)` // "A, B and C are …"
	return regexp.MustCompile(`^(?:Deprecated: |(?:An? |The )?` + quoted + ` ` + verb + `|` + several + `)`)
}

// noVerb matches a phrase that is no sentence: "Options of a run."
var noVerb = regexp.MustCompile(`^\w+ (of|for|in|by|to|with|from|that|which) `)

// prose returns a doc comment without its preformatted blocks, for example diagrams.
func prose(doc string) string {
	var lines []string
	for line := range strings.Lines(doc) {
		if !strings.HasPrefix(line, "\t") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestDocComments(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t) {
		for _, d := range exported(t, file) {
			if long := len(prose(d.doc)); long > maxDoc {
				t.Errorf("%s: the doc comment of %s has %d bytes, at most %d are allowed: say less, or in the package comment", d.position, d.name,
					long, maxDoc)
			}
			if !opening(d.name).MatchString(d.doc) || noVerb.MatchString(d.doc) {
				t.Errorf("%s: the doc comment %.60q does not begin with %s and a verb", d.position, d.doc, d.name)
			}
		}
	}
}

func TestOpening(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{
		"Load reads a scenario.": true, "A Load is one.": true, "Load is one.": true, "Loads are several.": false,
		"Reads a scenario.": false, "Load a scenario.": false, "Load of a scenario.": false, "Load and Save are two.": true,
		"Load, Save and Close are three.": true, "This function reads.": false,
	} {
		if got := opening("Load").MatchString(doc) && !noVerb.MatchString(doc); got != want {
			t.Errorf("%q: %v, want %v", doc, got, want)
		}
	}
	for doc, want := range map[string]bool{"Options say what.": true, "Options of a run.": false, "Options are what.": true} {
		if got := opening("Options").MatchString(doc) && !noVerb.MatchString(doc); got != want {
			t.Errorf("%q: %v, want %v", doc, got, want)
		}
	}
}

// clauses are the words with which a clause begins that stands in place of a subject: "What the driver can be."
func clauses() []string { return []string{"What", "Whether", "How", "That"} }

// beginsWithClause reports whether the doc comment of a name begins with a clause in place of a subject and a verb. The name itself may be
// such a word, and "That is" is a subject and a verb.
func beginsWithClause(name, doc string) bool {
	word, rest, _ := strings.Cut(doc, " ")
	verb, _, _ := strings.Cut(rest, " ")
	return word != name && slices.Contains(clauses(), word) && !(word == "That" && slices.Contains([]string{"is", "was"}, verb))
}

// declared returns all declarations, fields and methods of a file that have a doc comment.
func declared(t *testing.T, path string) []documented {
	t.Helper()
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	add := func(node ast.Node, doc *ast.CommentGroup, names ...*ast.Ident) {
		if doc == nil {
			return
		}
		name := ""
		if len(names) > 0 {
			name = names[0].Name
		}
		all = append(all, documented{name, doc.Text(), positions.Position(node.Pos())})
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch d := node.(type) {
		case *ast.BlockStmt:
			return false // comments within functions belong to statements
		case *ast.FuncDecl:
			add(d, d.Doc, d.Name)
		case *ast.GenDecl:
			add(d, d.Doc)
		case *ast.TypeSpec:
			add(d, d.Doc, d.Name)
		case *ast.ValueSpec:
			add(d, d.Doc, d.Names...)
		case *ast.Field:
			add(d, d.Doc, d.Names...)
		}
		return true
	})
	return all
}

// TestDocCommentsAreSentences finds doc comments, of tests, too, that begin with a clause in place of a subject.
func TestDocCommentsAreSentences(t *testing.T) {
	t.Parallel()
	for _, file := range allGoFiles(t) {
		for _, d := range declared(t, file) {
			if beginsWithClause(d.name, d.doc) {
				t.Errorf("%s: the doc comment %.60q begins with a clause: begin with a subject and a verb, or with a noun", d.position, d.doc)
			}
		}
	}
}

func TestBeginsWithClause(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{
		"What the driver can be.": true, "Whether it is ready.": true, "How long it takes.": true, "That it ends is sure.": true,
		"That is sure.": false, "The kinds of drivers.": false, "What names the object.": false, "Whatever comes.": false, "": false,
	} {
		name := "Load"
		if strings.HasPrefix(doc, "What names") {
			name = "What"
		}
		if got := beginsWithClause(name, doc); got != want {
			t.Errorf("%q: %v, want %v", doc, got, want)
		}
	}
}

// TestWords finds wordings that Go's and Kubernetes' documentation has other words for.
func TestWords(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	for _, pattern := range []string{"*.md", "docs/*.md", "scripts/*", "Makefile"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		for number, line := range numbered(t, file) {
			if strings.Contains(line, "says "+"whether") {
				t.Errorf("%s:%d: write %q", file, number, "reports whether")
			}
		}
	}
}

// TestColumns finds lines that are too long to read. Sources that are parts of images are left out: their bytes are keys of
// the cache, so wrapping a line would build the images again.
func TestColumns(t *testing.T) {
	t.Parallel()
	programs := filepath.Join(top, "internal", "image", "programs")
	for _, file := range allGoFiles(t) {
		if strings.HasPrefix(file, programs) && !strings.HasSuffix(file, "_test.go") {
			continue
		}
		for number, line := range numbered(t, file) {
			if columns := utf8.RuneCountInString(line); columns > maxColumns {
				t.Errorf("%s:%d: the line has %d characters, at most %d are allowed", file, number, columns, maxColumns)
			}
		}
	}
}

// numbered returns the lines of a file by their numbers.
func numbered(t *testing.T, file string) map[int]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[int]string{}
	for i, line := range strings.Split(string(content), "\n") {
		lines[i+1] = line
	}
	return lines
}

// mapOf returns CONTRIBUTING's map of the folders, floor by floor: the names that begin its lines, each as a path.
func mapOf(t *testing.T) [][]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(content), "## How the repository is laid out\n")
	section, _, ends := strings.Cut(after, "\n## ")
	if !found || !ends {
		t.Fatal("CONTRIBUTING.md has no section \"How the repository is laid out\"")
	}
	folders := [][]string{nil}
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		if strings.HasPrefix(line, "    ───") {
			folders = append(folders, nil)
			continue
		}
		floor := &folders[len(folders)-1]
		for word := range strings.FieldsSeq(line) {
			folder, ok := strings.CutSuffix(word, "/")
			if !ok {
				break // the description begins
			}
			*floor = append(*floor, folder)
		}
	}
	return folders
}

// TestImportsPointDown expects that no package imports one of a floor above its own in CONTRIBUTING's map.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	floors := map[string]int{}
	for number, folders := range mapOf(t) {
		for _, folder := range folders {
			floors[folder] = number
		}
	}
	for _, file := range goFiles(t) {
		from := area(file)
		for _, imported := range importsOf(t, file) {
			to := area(filepath.Join(top, imported, "any.go"))
			if from != "" && to != "" && floors[to] < floors[from] {
				t.Errorf("%s imports %s, which is above it in CONTRIBUTING.md", file, imported)
			}
		}
	}
}

// TestTheRunnerKnowsNothingByName expects that the procedure of a run imports nothing that it is to meet in a list or by an interface.
func TestTheRunnerKnowsNothingByName(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"internal/atomicfile", "internal/await", "internal/metrics", "internal/otlp", "internal/printable", "internal/wording",
		"pkg/anchor", "pkg/check", "pkg/cluster", "pkg/faults", "pkg/history", "pkg/launcher", "pkg/model", "pkg/plan", "pkg/report",
		"pkg/scenario", "pkg/witness",
		"pkg/faults/catalogue", "pkg/launcher/components", // the lists
	}
	for _, file := range goFiles(t) {
		if area(file) != "pkg/runner" {
			continue
		}
		for _, imported := range importsOf(t, file) {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s: have the runner reach it by an interface of its own or by one of the lists of %s",
					file, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// importsOf returns the packages of this module that a file imports, by their paths in the checkout.
func importsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var imported []string
	for _, spec := range file.Imports {
		if local, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "github.com/sparkchaos/sparkchaos/"); ok {
			imported = append(imported, local)
		}
	}
	return imported
}

// TestContributingsMap compares CONTRIBUTING's map with the folders that exist.
func TestContributingsMap(t *testing.T) {
	t.Parallel()
	drawn := slices.Concat(mapOf(t)...)
	for _, folder := range drawn {
		if info, err := os.Stat(filepath.Join(top, folder)); err != nil || !info.IsDir() {
			t.Errorf("CONTRIBUTING.md names the folder %s/, which does not exist", folder)
		}
	}
	for _, file := range goFiles(t) {
		if folder := area(file); folder != "" && !slices.Contains(drawn, folder) {
			t.Errorf("CONTRIBUTING.md does not name the folder %s/", folder)
			drawn = append(drawn, folder) // once is enough
		}
	}
}

// area returns the folder by which the map must name a file: two levels below cmd, internal and pkg, one elsewhere. A file at
// the top is in none.
func area(file string) string {
	relative, err := filepath.Rel(top, file)
	if err != nil {
		return file
	}
	parts := strings.Split(filepath.ToSlash(relative), "/")
	switch {
	case len(parts) == 1:
		return ""
	case len(parts) > 2 && slices.Contains([]string{"cmd", "internal", "pkg"}, parts[0]):
		return parts[0] + "/" + parts[1]
	default:
		return parts[0]
	}
}

// README shows the report of a violation as the harness prints it of a recorded history.
func TestReadmeShowsARealViolation(t *testing.T) {
	t.Parallel()
	verdict, err := check.Judge(t.Context(), history.NewReader(recordedControl(t, "driver-as-pod")))
	if err != nil {
		t.Fatal(err)
	}
	content, err := report.Render(report.Table, verdict, report.RunInfo{Directory: "runs/latest"}, report.Style{})
	if err != nil {
		t.Fatal(err)
	}
	shown, _, _ := strings.Cut(string(content), "\n841 events") // the hash is that of the changed history
	_, shown, _ = strings.Cut(shown, "\n\n")                    // the title is that of README's section
	want := "    " + strings.ReplaceAll(shown, "\n", "\n    ") + "\n"
	want = strings.ReplaceAll(want, "\n    \n", "\n\n")
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not show this report:\n%s", want)
	}
}

// recordedControl returns the history of a control's run, without what its plan says about the failure that is expected.
func recordedControl(t *testing.T, name string) io.Reader {
	t.Helper()
	content := historytest.Unpack(t, filepath.Join(top, "pkg", "check", "testdata", "recorded", name+".ndjson.gz"))
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	var event map[string]any
	if err := json.Unmarshal(first, &event); err != nil {
		t.Fatal(err)
	}
	delete(event["data"].(map[string]any)["plan"].(map[string]any), "control")
	first, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(slices.Concat(first, []byte("\n"), rest))
}

func TestReadmeNamesEveryScenario(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*.yaml", "controls/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(top, "scenarios", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		for _, file := range found {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if dir := filepath.Base(filepath.Dir(file)); dir == "controls" {
				name = "controls/" + name
			}
			if rows := strings.Count(string(readme), "`"+name+"`"); rows == 0 {
				t.Errorf("README.md does not name the scenario `%s`", name)
			}
		}
	}
}
