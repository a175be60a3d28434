package screen

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hinshun/vt10x"
	"pgregory.net/rapid"
)

// on returns a screen and the terminal that it writes to.
func on(columns, rows int) (*Screen, vt10x.Terminal) {
	terminal := vt10x.New(vt10x.WithSize(columns, rows))
	return &Screen{out: terminal, size: terminal.Size}, terminal
}

// text returns what stands on a terminal, without blanks at the ends of lines and empty lines at its end.
func text(terminal vt10x.Terminal) []string {
	lines := strings.Split(terminal.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func TestShow(t *testing.T) {
	t.Parallel()
	type step struct{ staying, changing []string }
	for name, tt := range map[string]struct {
		columns, rows int
		steps         []step
		want          []string
	}{
		"lines stay above those that change": {40, 10, []step{{nil, []string{"one", "two"}}, {[]string{"first"}, []string{"three", "four"}},
			{[]string{"second"}, []string{"five"}}}, []string{"first", "second", "five"}},
		"nothing is left of what changed": {40, 10, []step{{[]string{"first"}, []string{"one", "two"}}, {nil, nil}}, []string{"first"}},
		"shorter lines":                   {40, 10, []step{{nil, []string{"long line", "x"}}, {nil, []string{"short"}}}, []string{"short"}},
		"a narrow terminal": {10, 10, []step{{nil, []string{"0123456789abc", "two"}}, {nil, []string{"0123456789abc"}}},
			[]string{"01234567…"}},
		"a low terminal": {40, 4, []step{{nil, []string{"1", "2", "3", "4", "5"}}, {[]string{"first"}, []string{"1", "2", "3", "4", "5"}}},
			[]string{"1", "2", "… 3 more lines"}},
		"a line as wide as the terminal stays whole": {5, 10, []step{{[]string{"12345"}, []string{"ab"}}, {nil, []string{"cd"}}},
			[]string{"12345", "cd"}},
		"a line that is wrapped stays whole": {5, 10, []step{{nil, []string{"x", "y"}}, {[]string{"1234567"}, []string{"ab"}}},
			[]string{"12345", "67", "ab"}},
		"control characters":     {40, 10, []step{{[]string{"a\x1b[2Jb"}, []string{"c\td\ne\r"}}}, []string{"a[2Jb", "c d e"}},
		"one column and one row": {1, 1, []step{{nil, []string{"one", "two"}}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, terminal := on(tt.columns, tt.rows)
			for _, step := range tt.steps {
				s.Show(step.staying, step.changing)
			}
			if diff := cmp.Diff(tt.want, text(terminal)); diff != "" {
				t.Errorf("on the terminal (-want +got):\n%s", diff)
			}
		})
	}
}

// wrapped is how a terminal shows a line.
func wrapped(line string, columns int) []string {
	var rows []string
	for len(line) > columns {
		rows = append(rows, line[:columns])
		line = line[columns:]
	}
	return append(rows, line)
}

func TestShowKeepsEachLineThatStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		columns, rows := rapid.IntRange(8, 40).Draw(t, "columns"), rapid.IntRange(2, 12).Draw(t, "rows")
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,60}`), 0, 14)
		s, terminal := on(columns, 1000) // so that nothing is scrolled out
		s.size = func() (int, int) { return columns, rows }
		want := []string{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			staying, changing := lines.Draw(t, "staying"), lines.Draw(t, "changing")
			for _, line := range staying {
				want = append(want, wrapped(line, columns)...)
			}
			s.Show(staying, changing)
			if diff := cmp.Diff(slices.Concat(want, fit(changing, columns, rows)), text(terminal), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("on the terminal (-want +got):\n%s", diff)
			}
		}
	})
}

// A terminal that is made narrower wraps what stands on it, which is more rows to erase.
func TestNarrower(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	columns := 40
	s := &Screen{out: &out, size: func() (int, int) { return columns, 10 }}
	s.Show(nil, []string{strings.Repeat("x", 30), "short", ""})
	columns = 12
	out.Reset()
	s.Show(nil, nil)
	if want := "\r\x1b[5A\x1b[J"; out.String() != want {
		t.Errorf("%q, want %q: three rows, one and one", out.String(), want)
	}
}

func TestOfWhatIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if s := Of(file); s != nil {
		t.Errorf("a file is the screen %v", s)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text    string
		columns int
		want    string
	}{
		{"short", 80, "short"}, {"abcdef", 4, "abc…"}, {"äöü…", 3, "äö…"}, {"世界世界", 5, "世界…"}, {"世界世界", 4, "世…"},
		{"abc", 1, "…"}, {"abc", 0, ""},
	} {
		if got := cut(tt.text, tt.columns); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.columns, got, tt.want)
		}
	}
}

func ExampleScreen_Show() {
	var out bytes.Buffer
	s := &Screen{out: &out, size: func() (int, int) { return 80, 24 }}
	s.Show([]string{"it began"}, []string{"1 of 2"})
	fmt.Printf("%q\n", out.String())
	// Output: "\r\x1b[Jit began\r\n1 of 2\x1b[K\r\n\x1b[J"
}
