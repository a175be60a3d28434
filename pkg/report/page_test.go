package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// recordedRun makes a run directory of a recorded history.
func recordedRun(t testing.TB, directory, name string) (check.RunVerdict, RunInfo) {
	t.Helper()
	content := historytest.Unpack(t, filepath.Join("..", "check", "testdata", "recorded", name+".ndjson.gz"))
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(directory, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, HistoryFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFiles(directory, verdict, RunInfo{Directory: directory}, JSON); err != nil {
		t.Fatal(err)
	}
	info, err := LoadInfo(directory)
	if err != nil {
		t.Fatal(err)
	}
	return verdict, info
}

// TestReportsOfARunReadItsHistoryOnce takes the history away once it was read.
func TestReportsOfARunReadItsHistoryOnce(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	verdict, info := recordedRun(t, directory, "driver-node-power-off")
	alone := map[Format]string{}
	for _, format := range Kept() {
		content, err := Render(format, verdict, info, Style{})
		if err != nil {
			t.Fatal(err)
		}
		alone[format] = string(content)
	}
	together := info.sharing(verdict)
	if _, err := together.reading(verdict); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(directory, HistoryFile)); err != nil {
		t.Fatal(err)
	}
	for _, format := range Kept() {
		content, err := Render(format, verdict, together, Style{})
		if err != nil || string(content) != alone[format] {
			t.Errorf("%s is not what it is if the history is read for it alone (%v)", format, err)
		}
	}
}

func TestHTMLOfARecordedRun(t *testing.T) {
	t.Parallel()
	runs := t.TempDir()
	for day := range 23 {
		recordedRun(t, filepath.Join(runs, fmt.Sprintf("202601%02dT000000-driver-node-power-off-5", day+1)), "driver-node-power-off")
	}
	recordedRun(t, filepath.Join(runs, "20260101T000001-driver-as-pod-5"), "driver-as-pod")
	directory := filepath.Join(runs, "20260130T000000-driver-node-power-off-5")
	verdict, info := recordedRun(t, directory, "driver-node-power-off")
	page := render(t, HTML, sample{verdict: verdict, info: info}, Style{})
	for _, want := range []string{
		"PASS", "all 9 invariants held", "lost its power", "that cost driver incarnation 1", "Proof that it landed",
		"no process of the node is left",
		"in all", "Not production times", "sparkchaos run --plan " + directory, "<svg class=\"overview\"", `id="data"`,
		`href="#invariant=atMostOneDriver"`,
		`href="../20260123T000000-driver-node-power-off-5/report.html"`, "task-seconds",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if n := strings.Count(page, `href="../`); n != maxPrevious || strings.Contains(page, "driver-as-pod-5/") {
		t.Errorf("%d previous runs, want the last %d of the scenario", n, maxPrevious)
	}
	if len(page) > 1<<20 {
		t.Errorf("the report of a usual run has %d bytes, more than 1 MiB", len(page))
	}
	for _, r := range verdict.Results {
		for _, line := range r.Narrative {
			if !strings.Contains(page, fmt.Sprintf(`id="e%d"`, line.Seq)) {
				t.Errorf("nothing has the address #e%d, to which links without JavaScript lead", line.Seq)
			}
		}
	}
}

func TestHTMLOfEverySample(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		page := render(t, HTML, s, Style{})
		if !strings.Contains(page, "</html>") || !strings.Contains(page, "there is no timeline") {
			t.Errorf("%s: the page is not whole, or has a timeline of nothing", s.name)
		}
		if n := len(regexp.MustCompile(`<script`).FindAllString(page, -1)); n != 1 {
			t.Errorf("%s: %d scripts, want 1", s.name, n)
		}
	}
}

func TestLogsAreCutAtTheirBegin(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	verdict, info := recordedRun(t, directory, "driver-as-pod")
	log := strings.Repeat("an old line\n", maxLog/12) + "\x1b[31mthe last line\x1b[0m\n"
	if err := os.WriteFile(filepath.Join(directory, "logs", "wordcount-driver.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	record, err := info.record(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := logs(record, directory)
	if len(all) != 1 || !all[0].Cut || len(all[0].Text) > maxLog || !strings.HasSuffix(all[0].Text, "an old line\nthe last line\n") ||
		!strings.HasPrefix(all[0].Text, "an old line\n") {
		t.Errorf("%d logs", len(all))
	}
	render(t, HTML, sample{verdict: verdict, info: info}, Style{})
}
