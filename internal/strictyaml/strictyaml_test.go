package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	yaml11 "sigs.k8s.io/yaml"
)

type fakeInner struct {
	Kind string `json:"kind,omitempty" enum:"Job|Pod"`
	Wait int    `json:"wait,omitempty" min:"1" max:"9"`
}

type fakeDocument struct {
	Name  string            `json:"name" pattern:"^[a-z]+$" like:"abc"`
	On    bool              `json:"on,omitempty"`
	Count *int64            `json:"count,omitempty" min:"0"`
	Big   uint64            `json:"big,omitempty"`
	Ratio float64           `json:"ratio,omitempty"`
	After time.Duration     `json:"after,omitempty"`
	Inner fakeInner         `json:"inner,omitempty"`
	Words []string          `json:"words,omitempty"`
	Map   map[string]string `json:"map,omitempty"`
	List  []fakeInner       `json:"list,omitempty"`
}

func decode(data string) (fakeDocument, error) {
	var doc fakeDocument
	d := NewDecoder(nil)
	d.Decode([]byte(data), &doc)
	return doc, d.Err("f.yaml")
}

func TestDecodeTellsEveryProblem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		yaml string
		want []string
	}{
		"empty":             {"", []string{"1:1: the file is empty"}},
		"only a comment":    {"# nothing\n", []string{"1:1: the file is empty"}},
		"no YAML":           {"name: abc\ninner: {", []string{"2:1: not YAML: did not find expected node content"}},
		"tab":               {"name: abc\n\tinner: 1\n", []string{"2:1: not YAML: found a tab character that violates indentation"}},
		"two documents":     {"name: abc\n---\nname: abc\n", []string{"2:1: a second document begins here; put each into a file of its own"}},
		"no mapping":        {"- a\n", []string{"1:1: want a mapping, got a list"}},
		"required":          {"on: true\n", []string{"1:1: name: missing; it must be given, for example abc"}},
		"unknown field":     {"name: abc\nnme: x\n", []string{"2:1: nme: unknown field; did you mean name?"}},
		"unknown, far away": {"name: abc\ninner: {zzzzzzz: x}\n", []string{"2:9: inner.zzzzzzz: unknown field; known are kind, wait"}},
		"duplicate":         {"name: abc\nname: abd\n", []string{"2:1: name: given twice; it is in line 1 already"}},
		"null":              {"name:\n", []string{"1:6: name: want a text, for example abc, got nothing"}},
		"pattern":           {"name: ABC\n", []string{`1:7: name: "ABC" does not fit; want a text that matches ^[a-z]+$, for example abc`}},
		"number for text":   {"name: 5\n", []string{`1:7: name: want a text, got the number 5; quote it: "5"`}},
		"text for bool":     {"name: abc\non: yes please\n", []string{`2:5: on: want true or false, got the text "yes please"`}},
		"text for number":   {"name: abc\ncount: two\n", []string{`2:8: count: want a whole number, got the text "two"`}},
		"fraction":          {"name: abc\ncount: 1.5\n", []string{"2:8: count: want a whole number, got the number 1.5"}},
		"too large":         {"name: abc\ninner: {wait: 10}\n", []string{"2:15: inner.wait: 10 is too large; want at most 9"}},
		"too small":         {"name: abc\ncount: -1\n", []string{"2:8: count: -1 is too small; want at least 0"}},
		"overflow": {"name: abc\ncount: 99999999999999999999\n",
			[]string{"2:8: count: want a whole number, got the number 99999999999999999999"}},
		"negative unsigned": {"name: abc\nbig: -1\n", []string{"2:6: big: want a whole number from 0, got the number -1"}},
		"text for float":    {"name: abc\nratio: half\n", []string{`2:8: ratio: want a number, got the text "half"`}},
		"no unit": {"name: abc\nafter: 5\n",
			[]string{`2:8: after: "5" is not a duration; write a number with its unit, like 2s, 500ms or 1m30s`}},
		"enum":             {"name: abc\ninner: {kind: job}\n", []string{`2:15: inner.kind: "job" is not accepted; did you mean Job?`}},
		"list for mapping": {"name: abc\ninner: [1]\n", []string{"2:8: inner: want a mapping, got a list"}},
		"mapping for list": {"name: abc\nwords: {a: b}\n", []string{"2:8: words: want a list, got a mapping"}},
		"key is a list":    {"name: abc\n? [a]\n: b\n", []string{"2:3: want a text as key, got a list"}},
		"several": {"nam: abc\nwords: [a, 1]\nlist:\n- {kind: Bob}\n- {wait: x}\n", []string{
			"1:1: name: missing; it must be given, for example abc",
			"1:1: nam: unknown field; did you mean name?",
			`2:12: words[1]: want a text, got the number 1; quote it: "1"`,
			`4:10: list[0].kind: "Bob" is not accepted; did you mean Job?`,
			`5:10: list[1].wait: want a whole number, got the text "x"`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(test.yaml)
			var problems *Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			got := strings.Split(strings.ReplaceAll(problems.Error(), "f.yaml:", ""), "\n")
			if diff := cmp.Diff(sorted(test.want), sorted(got)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// sorted orders lines of one position, whose order does not matter.
func sorted(lines []string) map[string]bool {
	set := map[string]bool{}
	for _, line := range lines {
		set[line] = true
	}
	return set
}

func TestProblemsStandInTheFilesOrder(t *testing.T) {
	t.Parallel()
	_, err := decode("name: ABC\non: 1\nwords: [1]\ncount: x\n")
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var lines []int
	for _, p := range problems.Problems {
		lines = append(lines, p.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestAliasesAndMergeKeysAreFollowed(t *testing.T) {
	t.Parallel()
	got, err := decode(`
name: abc
inner: &base {kind: Job, wait: 2}
list:
- *base
- <<: *base
  wait: 3
- <<: [{wait: 4}, *base]
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []fakeInner{{Kind: "Job", Wait: 2}, {Kind: "Job", Wait: 3}, {Kind: "Job", Wait: 4}}
	if diff := cmp.Diff(want, got.List); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestHostileDocumentsAreRefusedSoon(t *testing.T) {
	t.Parallel()
	bomb := "name: abc\nlist: &l [" + strings.Repeat("{wait: 1},", 2000) + "]\n"
	tests := map[string]struct{ yaml, want string }{
		"too many bytes":     {strings.Repeat("#", MaxBytes+1), "bytes, which is the most"},
		"deep":               {"name: " + strings.Repeat("[", 200_000), "not YAML"},
		"mapping in itself":  {"name: abc\ninner: &a {<<: *a}\n", "too large or too deep"},
		"merges that double": {"name: abc\ninner: &a {<<: [*a, *a, *a, *a]}\n", "too large or too deep"},
		"problems without end": {"name: abc\n" + bomb[len("name: abc\n"):] + "words: [" + strings.Repeat("1,", 500) + "]\n",
			"more than 100 problems"},
		"aliases without end": {"name: abc\nbase: &b {" + manyKeys(900) + "}\nlist: [" + strings.Repeat("{<<: *b},", 900) + "]\n",
			"more than 100 problems"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(test.yaml)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.300v, want one with %q", err, test.want)
			}
			if lines := strings.Count(err.Error(), "\n"); lines > maxProblems+1 {
				t.Errorf("%d lines of problems", lines)
			}
		})
	}
}

func manyKeys(n int) string {
	var keys []string
	for i := range n {
		keys = append(keys, "k"+strings.Repeat("a", i%7)+string(rune('a'+i%26))+strings.Repeat("b", i/26)+": 1")
	}
	return strings.Join(keys, ", ")
}

func TestProblemOfAMissingFieldPointsAtWhatEnclosesIt(t *testing.T) {
	t.Parallel()
	var doc fakeDocument
	d := NewDecoder(nil)
	d.Decode([]byte("name: abc\ninner:\n  kind: Job\n"), &doc)
	d.Problem("inner.wait", "is odd")
	d.Problem("nowhere.at.all", "is odd too")
	want := "f.yaml:1:1: nowhere.at.all: is odd too\nf.yaml:3:3: inner.wait: is odd"
	if got := d.Err("f.yaml").Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCustomDecodersAreAsked(t *testing.T) {
	t.Parallel()
	var doc fakeDocument
	d := NewDecoder(map[reflect.Type]Custom{
		reflect.TypeFor[fakeInner](): func(d *Decoder, node *yaml.Node, into reflect.Value, at Field) {
			into.Set(reflect.ValueOf(fakeInner{Kind: at.Path}))
		},
	})
	d.Decode([]byte("name: abc\nlist: [1, 2]\n"), &doc)
	if err := d.Err("f"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]fakeInner{{Kind: "list[0]"}, {Kind: "list[1]"}}, doc.List); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	zero := int64(0)
	doc := fakeDocument{Name: "abc", Count: &zero, Words: []string{"true", "5", "null", "a: b", "two\nlines", ""},
		Map: map[string]string{"b": "1", "a": "~"}}
	short, err := YAML(doc, false)
	if err != nil {
		t.Fatal(err)
	}
	want := `name: abc
count: 0
words:
  - "true"
  - "5"
  - "null"
  - 'a: b'
  - |-
    two
    lines
  - ""
map:
  a: "~"
  b: "1"
`
	if diff := cmp.Diff(want, string(short)); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	full, err := JSON(fakeDocument{Name: "abc"}, true)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"name":"abc","on":false,"big":0,"ratio":0,"after":"0s","inner":{}}`
	if diff := cmp.Diff(wantJSON, string(full)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// TestTextIsTextToEveryReader writes what readers of YAML 1.1 take for a bool or a number without quotes.
func TestTextIsTextToEveryReader(t *testing.T) {
	t.Parallel()
	words := map[string]string{}
	for i, text := range []string{"off", "Off", "on", "yes", "NO", "y", "n", "true", "0777", "0o7", "0x1F", "1_000", "1e3",
		".5", "~", "null", "1:30", "2026-01-02", "", " off", "off ", "a: b", "plain", "[a]", "#", "- a"} {
		words[fmt.Sprintf("w%02d", i)] = text
	}
	written, err := YAML(words, false)
	if err != nil {
		t.Fatal(err)
	}
	for version, read := range map[string]func([]byte, any) error{
		"1.1": func(data []byte, v any) error { return yaml11.Unmarshal(data, v) },
		"1.2": yaml.Unmarshal,
	} {
		got := map[string]any{}
		if err := read(written, &got); err != nil {
			t.Fatal(err)
		}
		for name, text := range words {
			if got[name] != text {
				t.Errorf("YAML %s reads %q as %v, a %T", version, text, got[name], got[name])
			}
		}
	}
}

func TestEncodeRefusesWhatHasNoForm(t *testing.T) {
	t.Parallel()
	_, err := YAML(struct {
		C chan int `json:"c"`
	}{}, false)
	if err == nil || !strings.Contains(err.Error(), "c: a chan int has no form in YAML") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name: abc\nlist: [{kind: Job}]\n")
	f.Add("name: &a abc\nwords: [*a, *a]\nmap: {<<: {a: b}}\n")
	f.Add("inner: &a {<<: *a}\n---\n? [x]\n: y\n")
	f.Add("\"\\u0085\": !!binary aGk=\nafter: 1h\nratio: .inf\n")
	f.Fuzz(func(t *testing.T, data string) {
		doc, err := decode(data)
		if err != nil {
			var problems *Error
			if !errors.As(err, &problems) || len(problems.Problems) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			for _, p := range problems.Problems {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Fatalf("a problem without position or message: %+v", p)
				}
			}
			return
		}
		for _, explicit := range []bool{false, true} {
			written, err := YAML(doc, explicit)
			if err != nil {
				t.Fatal(err)
			}
			again, err := decode(string(written))
			if err != nil {
				t.Fatalf("%s\ncannot be read again: %v", written, err)
			}
			rewritten, err := YAML(again, explicit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(written), string(rewritten)); diff != "" {
				t.Fatalf("written twice (-first +second):\n%s", diff)
			}
		}
	})
}

func TestWords(t *testing.T) {
	t.Parallel()
	type role struct {
		Of string `json:"of" words:"role"`
	}
	decode := func(sets map[string][]string, text string) error {
		d := NewDecoder(nil).WithWords(sets)
		d.Decode([]byte(text), &role{})
		return d.Err("file")
	}
	roles := map[string][]string{"role": {"driver", "executor"}}
	if err := decode(roles, "of: driver"); err != nil {
		t.Errorf("a word of the set: %v", err)
	}
	if err := decode(roles, "of: drivr"); err == nil || !strings.Contains(err.Error(), "did you mean driver?") {
		t.Errorf("another word: %v, want a suggestion", err)
	}
	if err := decode(nil, "of: driver"); err == nil {
		t.Error("a set that nobody gave accepts a word")
	}
}
