package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

var update = flag.Bool("update", false, "write the golden files anew")

const hostileText = "a|b`c` <script>alert(1)</script> [x](http://e) **b** _i_ # \x1b[31mred\x1b[0m \x00\x07 \u202Eright\u2069 \n| next | line |\r\n- item \xff & ]]> ' \" $x$ \uFFFE"

func info() RunInfo {
	return RunInfo{Directory: "runs/latest", Environment: Environment{
		ClusterKind: "embedded", ClusterName: "test", Took: 61234 * time.Millisecond,
		Versions: map[string]string{"spark": "4.1.0", "kubernetes": "v1.36.3"},
	}}
}

func passing() check.RunVerdict {
	return check.RunVerdict{
		FormatVersion: VerdictFormatVersion, Verdict: check.Pass, Reason: "all 3 invariants held", Scenario: "driver-node-power-off", Seed: 42,
		RunID: "20260102-030405-driver-node-power-off-42", HistorySHA256: strings.Repeat("ab", 32), Events: 1234,
		Results: []check.Result{
			{Invariant: "driverRescheduled", Verdict: check.Pass, Message: "incarnation 2 ran on worker-2 14.2s after the power-off of worker-1", Measured: "14.2s", Bound: "60s", Evidence: []int64{120, 245},
				Assumptions: []check.Assumption{{What: "the fault landed", Held: true}},
				Narrative: []check.EvidenceLine{{Seq: 120, Offset: 20 * time.Second, Text: "lose-driver-node landed: worker-1 is off"},
					{Seq: 245, Offset: 34200 * time.Millisecond, Text: "pod wc-driver-2 is Running on worker-2"}}},
			{Invariant: "executorNamesUnique", Verdict: check.Pass, Message: "4 names, none twice", Measured: "4 names", Evidence: []int64{50, 51, 52, 53, 60, 61, 62, 63}},
			{Invariant: "recoveryWithin", Verdict: check.Pass, Message: "recovered in 21.5s", Measured: "21.5s", Bound: "90s", Evidence: []int64{120, 300}, Phases: []check.Phase{
				{Fault: "lose-driver-node", Name: "detection", Duration: 8100 * time.Millisecond, Bound: 20 * time.Second, From: 120, To: 180},
				{Fault: "lose-driver-node", Name: "eviction", Duration: 950 * time.Millisecond, From: 180, To: 200},
				{Fault: "lose-driver-node", Name: "driver start", Duration: 12 * time.Second, Bound: 10 * time.Second, From: 200, To: 300},
			}},
		},
		Faults: []check.Landed{{Fault: "lose-driver-node", Kind: "nodePowerOff", Landed: true, Recovered: true, Evidence: 120}},
	}
}

func violated() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Violation, "driverRescheduled was violated"
	v.Results[0].Verdict = check.Violation
	v.Results[0].Message = "no new incarnation ran within 60s after the power-off of worker-1; pod wc-driver-2 stayed Pending"
	v.Results[0].Measured = "never"
	v.Results[1].Verdict, v.Results[1].Message = check.Inconclusive, "the witness was not heard of"
	v.Results[1].Assumptions = []check.Assumption{{What: "the witness was heard of each driver", Held: false}}
	v.Faults[0].Recovered, v.Faults[0].Reason = false, "node worker-1 has Ready=Unknown"
	return v
}

func notLanded() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Inconclusive, "fault lose-driver-node did not land"
	for i := range v.Results {
		v.Results[i] = check.Result{Invariant: v.Results[i].Invariant, Verdict: check.Inconclusive, Message: "the fault did not land"}
	}
	v.Faults = []check.Landed{{Fault: "lose-driver-node", Kind: "nodePowerOff", Reason: "node worker-1 is on with 10 processes; expected off", Recovered: true}}
	return v
}

func controlAsExpected() check.RunVerdict {
	v := violated()
	v.Verdict, v.Reason, v.Scenario = check.Pass, "the control ended as expected", "driver-as-pod"
	v.Control = &check.Control{Expected: check.Violation, Invariants: []string{"driverRescheduled"}, Judged: check.Violation, AsExpected: true}
	v.Results = v.Results[:1]
	v.Faults[0] = check.Landed{Fault: "lose-driver-node", Kind: "nodePowerOff", Landed: true, Recovered: true, Evidence: 120}
	return v
}

func controlNoop() check.RunVerdict {
	v := notLanded()
	v.Verdict, v.Reason, v.Scenario = check.Pass, "the control ended as expected", "noop-power-off"
	v.Control = &check.Control{Expected: check.Inconclusive, Judged: check.Inconclusive, AsExpected: true}
	return v
}

func controlTooGood() check.RunVerdict {
	v := passing()
	v.Verdict, v.Reason = check.Violation, "the control did not end as expected"
	v.Control = &check.Control{Expected: check.Violation, Invariants: []string{"driverRescheduled"}, Judged: check.Pass}
	return v
}

func environmentError() check.RunVerdict {
	return check.RunVerdict{FormatVersion: VerdictFormatVersion, Verdict: check.Error, Reason: "the cluster did not start: no kubelet on worker-1", Scenario: "driver-node-power-off", Seed: 7, RunID: "r", Events: 3}
}

func hostile() check.RunVerdict {
	v := violated()
	v.Scenario, v.Reason, v.RunID, v.HistorySHA256 = hostileText, hostileText, hostileText, hostileText
	v.Results[0].Invariant, v.Results[0].Message, v.Results[0].Measured, v.Results[0].Bound = hostileText, hostileText, hostileText, hostileText
	v.Results[0].Narrative = []check.EvidenceLine{{Seq: 1, Text: hostileText}}
	v.Results[1].Assumptions = []check.Assumption{{What: hostileText}}
	v.Results[2].Phases = []check.Phase{{Fault: hostileText, Name: hostileText}}
	v.Faults[0].Fault, v.Faults[0].Kind, v.Faults[0].Reason = hostileText, hostileText, hostileText
	return v
}

func hostileInfo() RunInfo {
	i := info()
	i.Directory = "runs/it's " + hostileText
	i.Environment.ClusterKind, i.Environment.ClusterName = hostileText, hostileText
	i.Environment.Versions = map[string]string{hostileText: hostileText}
	return i
}

type sample struct {
	name    string
	verdict check.RunVerdict
	info    RunInfo
}

func samples() []sample {
	return []sample{
		{"pass", passing(), info()},
		{"violation", violated(), info()},
		{"not-landed", notLanded(), info()},
		{"error", environmentError(), RunInfo{Directory: "runs/x"}},
		{"control-as-expected", controlAsExpected(), info()},
		{"control-noop", controlNoop(), info()},
		{"control-too-good", controlTooGood(), info()},
		{"hostile", hostile(), hostileInfo()},
	}
}

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
				path := filepath.Join("testdata", s.name+"."+name)
				if *update {
					if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), content); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
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
			for _, c := range suites.Suite.Cases {
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
			if suites.Failures != failed || suites.Errors != erred || suites.Tests != len(suites.Suite.Cases) || suites.Suite.Skipped != 0 {
				t.Errorf("counts %d/%d/%d, want %d/%d/%d", suites.Tests, suites.Failures, suites.Errors, len(suites.Suite.Cases), failed, erred)
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
	for _, format := range []Format{Table, JUnit, Markdown} {
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
		{"unknown verdict of an invariant", `{"formatVersion":1,"verdict":"pass","results":[{"invariant":"completes","verdict":"maybe"}]}`, `invariant completes is "maybe"`},
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
	if diff := cmp.Diff(RunInfo{Directory: directory}, loaded); diff != "" {
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
	got, err := ParseFormats("table, junit,json,md")
	if diff := cmp.Diff(Formats(), got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"", "html", "table,,md"} {
		if _, err := ParseFormats(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"runs/a-1": "runs/a-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "a\nb": "'a b'", "größe": "'größe'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		width int
		want  []string
	}{
		{"a b", 0, []string{"a b"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"x abcdefgh y", 3, []string{"x", "abc", "def", "gh", "y"}},
		{"日本語 x", 4, []string{"日本", "語 x"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, wrap(test.text, test.width)); diff != "" {
			t.Errorf("%q at %d:\n%s", test.text, test.width, diff)
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
			if _, err := Render(format, verdict, RunInfo{Directory: "r"}, Style{Width: 80, Color: true}); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add(hostileText)
	f.Fuzz(func(t *testing.T, s string) {
		for _, shown := range []string{clean(s), markdown(s), markdownCode(s), shellQuote(s)} {
			if strings.ContainsFunc(shown, unicode.IsControl) {
				t.Errorf("%q: control character in %q", s, shown)
			}
		}
		if once := clean(s); clean(once) != once {
			t.Errorf("%q: cleaning twice differs", s)
		}
	})
}
