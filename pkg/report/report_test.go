package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

var update = flag.Bool("update", false, "write the golden files again")

func render(t *testing.T, format Format, s sample, style Style) string {
	t.Helper()
	content, err := Render(format, s.verdict, s.info, style)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for name, content := range map[string]string{
				"txt": render(t, Table, s, Style{Width: 100}), "xml": render(t, JUnit, s, Style{}),
				"md": render(t, Markdown, s, Style{}),
			} {
				golden.Compare(t, filepath.Join("testdata", s.name+"."+name), []byte(content), *update)
			}
		})
	}
}

func TestJUnitIsValidAndNeverGreenByMistake(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			content := render(t, JUnit, s, Style{})
			decoder := xml.NewDecoder(strings.NewReader(content))
			decoder.Strict = true
			for {
				token, err := decoder.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("not well-formed: %v", err)
				}
				if start, ok := token.(xml.StartElement); ok && start.Name.Local == "skipped" {
					t.Error("there is a <skipped>")
				}
			}
			var suites junitSuites
			if err := xml.Unmarshal([]byte(content), &suites); err != nil {
				t.Fatal(err)
			}
			failed, erred := 0, 0
			cases := suites.Suites[0].Cases
			for _, c := range cases {
				for _, problem := range []*junitProblem{c.Failure, c.Error} {
					if problem != nil && !strings.Contains(problem.Text, "sparkchaos run --plan ") {
						t.Errorf("%s: no line that runs it again", c.Name)
					}
				}
				if c.Failure != nil {
					failed++
				}
				if c.Error != nil {
					erred++
				}
			}
			if suites.Failures != failed || suites.Errors != erred || suites.Tests != len(cases) || suites.Suites[0].Skipped != 0 {
				t.Errorf("counts %d/%d/%d, want %d/%d/%d", suites.Tests, suites.Failures, suites.Errors, len(cases), failed, erred)
			}
			switch s.verdict.Verdict {
			case check.Pass:
				if failed+erred > 0 {
					t.Errorf("a pass has %d failures and %d errors", failed, erred)
				}
			case check.Violation:
				if failed == 0 {
					t.Error("a violation without a failure")
				}
			default:
				if failed > 0 || erred == 0 {
					t.Errorf("%s has %d failures and %d errors", s.verdict.Verdict, failed, erred)
				}
			}
		})
	}
}

// TestNoVerdictIsLost tries every verdict of a run with every verdict of its only invariant.
func TestNoVerdictIsLost(t *testing.T) {
	t.Parallel()
	all := []check.Verdict{check.Pass, check.Inconclusive, check.Error, check.Violation}
	for _, run := range all {
		for _, invariant := range all {
			entries := judge(check.RunVerdict{Verdict: run, Results: []check.Result{{Invariant: "i", Verdict: invariant}}})
			for _, want := range []check.Verdict{run, invariant} {
				if !slices.ContainsFunc(entries, func(e entry) bool { return e.outcome == outcomeOf(want) }) {
					t.Errorf("run %s, invariant %s: nothing shows the %s", run, invariant, want)
				}
			}
		}
	}
}

func TestControlThatErredIsNotGreen(t *testing.T) {
	t.Parallel()
	v := controlAsExpected()
	v.Control.AsExpected, v.Control.Judged, v.Verdict = false, check.Error, check.Error
	v.Results[0].Verdict = check.Error
	for _, e := range judge(v) {
		if e.name == "control" && e.outcome == green {
			t.Error("the control is green")
		}
	}
	v = controlAsExpected()
	v.Results = append(v.Results, check.Result{Invariant: "completes", Verdict: check.Violation})
	v.Control.AsExpected, v.Verdict = false, check.Violation
	entries := judge(v)
	if entries[0].outcome != green || entries[1].outcome != failing {
		t.Errorf("the expected violation is %v, the other one %v", entries[0].outcome, entries[1].outcome)
	}
}

func TestNothingHostileReachesATerminalOrAPage(t *testing.T) {
	t.Parallel()
	s := sample{verdict: hostile(), info: hostileInfo()}
	for _, format := range []Format{Table, JUnit, Markdown, HTML} {
		for _, r := range render(t, format, s, Style{Width: 80}) {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%s: control character %U", format, r)
			}
		}
	}
	page := render(t, Markdown, s, Style{})
	code := regexp.MustCompile("`` .* ``")
	for line := range strings.SplitSeq(page, "\n") {
		bare := strings.NewReplacer(`\\`, "", `\<`, "", `\|`, "", "\\`", "", `\[`, "").Replace(code.ReplaceAllString(line, ""))
		if strings.ContainsAny(bare, "<`[") {
			t.Errorf("unescaped: %s", line)
		}
		if strings.HasPrefix(line, "| next") {
			t.Errorf("a new row: %s", line)
		}
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		for _, width := range []int{72, 80, 100, 132, 200} {
			for i, line := range strings.Split(render(t, Table, s, Style{Width: width}), "\n") {
				boxed := strings.ContainsAny(line, "│─")
				if got := twwidth.Width(line); boxed && got > width {
					t.Errorf("%s at %d: line %d has %d columns: %s", s.name, width, i+1, got, line)
				}
			}
		}
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	s := sample{verdict: violated(), info: info()}
	coloured := render(t, Table, s, Style{Color: true})
	for _, want := range []string{red + "violation" + plain, lime + "pass" + plain, yellow + "inconclusive" + plain} {
		if !strings.Contains(coloured, want) {
			t.Errorf("no %q", want)
		}
	}
	stripped := regexp.MustCompile(`\x1b\[[0-9]+m`).ReplaceAllString(coloured, "")
	if diff := cmp.Diff(render(t, Table, s, Style{}), stripped); diff != "" {
		t.Errorf("colours change the layout:\n%s", diff)
	}
}

func TestStyleForWhatIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, out := range []io.Writer{&bytes.Buffer{}, file} {
		if got := StyleFor(out, func(string) string { return "" }); got != (Style{}) {
			t.Errorf("%T: %+v", out, got)
		}
	}
}

func TestVerdictRoundTripIsStable(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		if s.name == "hostile" {
			continue // JSON replaces what is no UTF-8, so it comes back cleaner
		}
		first, err := EncodeVerdict(s.verdict)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := DecodeVerdict(first)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.verdict, decoded); diff != "" {
			t.Errorf("%s:\n%s", s.name, diff)
		}
		second, err := EncodeVerdict(decoded)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: the bytes differ (%v)", s.name, err)
		}
	}
}

func TestDecodeVerdictRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"no JSON", "verdict: pass", "not JSON"},
		{"another version", `{"formatVersion":9}`, "format version 9: expected 1"},
		{"unknown field", `{"formatVersion":1,"verdict":"pass","mood":"good"}`, "mood"},
		{"unknown verdict", `{"formatVersion":1,"verdict":"skipped"}`, `verdict of the run is "skipped"`},
		{"unknown verdict of an invariant", `{"formatVersion":1,"verdict":"pass","results":[{"invariant":"completes","verdict":"maybe"}]}`,
			`invariant completes is "maybe"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := DecodeVerdict([]byte(test.content)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWriteAndLoad(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if _, _, err := Load(directory); err == nil || !strings.Contains(err.Error(), "sparkchaos check "+directory) {
		t.Errorf("a run without a verdict: %v", err)
	}
	if err := WriteFiles(directory, violated(), info(), JSON, JUnit, Markdown); err != nil {
		t.Fatal(err)
	}
	if err := WriteFiles(directory, violated(), info(), Table); err == nil {
		t.Error("a table was written into a file")
	}
	verdict, loaded, err := Load(directory)
	if diff := cmp.Diff(violated(), verdict); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff(RunInfo{Directory: directory}, loaded, cmpopts.IgnoreUnexported(RunInfo{})); diff != "" {
		t.Error(diff)
	}
	content, err := EncodeEnvironment(info().Environment)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, EnvironmentFile)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	_, loaded, err = Load(directory)
	if diff := cmp.Diff(info().Environment, loaded.Environment); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(directory); err == nil {
		t.Error("a broken environment.json is not noticed")
	}
	names, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil || len(names) != 4 {
		t.Errorf("files %v, %v", names, err)
	}
}

func TestParseFormats(t *testing.T) {
	t.Parallel()
	got, err := ParseFormats("table, junit,json,md,html,ctrf,github,chrome,perfetto,otlp,openmetrics")
	if diff := cmp.Diff(Formats(), got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"", "pdf", "table,,md"} {
		if _, err := ParseFormats(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzDecodeVerdict(f *testing.F) {
	content, err := EncodeVerdict(violated())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"formatVersion":1}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		verdict, err := DecodeVerdict(content)
		if err != nil {
			return
		}
		for _, format := range Formats() {
			if _, err := Render(format, verdict, RunInfo{Directory: "r"}, Style{Width: 80, Color: true}); err != nil &&
				!errors.Is(err, errNoHistory) {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add(hostileText)
	f.Fuzz(func(t *testing.T, s string) {
		for _, shown := range []string{clean(s), markdown(s), markdownCode(s), printable.ShellWord(s)} {
			if strings.ContainsFunc(shown, unicode.IsControl) {
				t.Errorf("%q: control character in %q", s, shown)
			}
		}
		if once := clean(s); clean(once) != once {
			t.Errorf("%q: cleaning twice differs", s)
		}
	})
}

// A report is pasted into issues: a name in it must call nobody.
func TestMarkdownMentionsNobody(t *testing.T) {
	t.Parallel()
	mention := regexp.MustCompile(`@[\w-]`)
	for _, text := range []string{"@name", "pod said: ping @org/team", "a@b", `\@name`, "@@x", "`@name`"} {
		if got := markdown(text); mention.MatchString(got) || !strings.Contains(got, "@") {
			t.Errorf("markdown(%q) = %q, which mentions somebody", text, got)
		}
	}
}
