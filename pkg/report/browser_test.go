package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// browserWait bounds what a browser may take on a machine that is busy. The tests with one do not run side by side.
const browserWait = 5 * time.Minute

// chromium returns the browser of the tests. Without one they are skipped, unless SPARKCHAOS_BROWSER_TESTS=1 says that they must run.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const lack = "there is no Chromium on this machine: scripts/install-system-packages installs it"
	if os.Getenv("SPARKCHAOS_BROWSER_TESTS") == "1" {
		t.Fatal(lack)
	}
	t.Skip(lack)
	return ""
}

// tab is a page of a browser, with what it said on its console.
type tab struct {
	context.Context
	mutex sync.Mutex
	said  []string
}

func (p *tab) hear(format string, args ...any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.said = append(p.said, fmt.Sprintf(format, args...))
}

// newTab starts a browser with a window of a size.
func newTab(t testing.TB, width, height int) *tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(width,
			height), chromedp.WSURLReadTimeout(browserWait))
	parent, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(parent)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, browserWait)
	t.Cleanup(cancel)
	p := &tab{Context: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			p.hear("console: %v", e.Args)
		case *runtime.EventExceptionThrown:
			p.hear("exception: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			p.hear("log: %s", e.Entry.Text)
		case *page.EventJavascriptDialogOpening:
			p.hear("dialog: %s", e.Message)
		}
	})
	if err := chromedp.Run(ctx, log.Enable()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) run(t testing.TB, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(p, actions...); err != nil {
		t.Fatalf("%v; the page said %v", err, p.said)
	}
}

// silent reports what the page said on its console.
func (p *tab) silent(t testing.TB) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.said) > 0 {
		t.Errorf("the page said: %s", strings.Join(p.said, "\n"))
	}
}

// value returns what an expression is in the page.
func value[T any](t testing.TB, p *tab, expression string) T {
	t.Helper()
	var result T
	p.run(t, chromedp.Evaluate(expression, &result))
	return result
}

// shoot keeps a picture of the page in the directory that SPARKCHAOS_SCREENSHOTS names, for people to look at.
func (p *tab) shoot(t testing.TB, name string) {
	t.Helper()
	var picture []byte
	p.run(t, chromedp.CaptureScreenshot(&picture))
	if !bytes.HasPrefix(picture, []byte("\x89PNG")) || len(picture) < 10_000 {
		t.Errorf("the picture %s has %d bytes", name, len(picture))
	}
	directory := os.Getenv("SPARKCHAOS_SCREENSHOTS")
	if directory == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(directory, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// address writes the report of a run and returns its address.
func address(t testing.TB, verdict check.RunVerdict, info RunInfo) string {
	t.Helper()
	if err := WriteFiles(info.Directory, verdict, info, HTML); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.Join(info.Directory, HTMLFile)}).String()
}

func ready() chromedp.Action {
	return chromedp.WaitVisible(`#app[data-ready="true"]`, chromedp.ByQuery)
}

const recordedLog = "WARN \x1b[31mred\x1b[0m </script><script>alert(1)</script><img src=x onerror=alert(1)>\n"

// recordedPage makes the report of a recorded run, with logs of its drivers.
func recordedPage(t testing.TB, name string) (string, check.RunVerdict) {
	t.Helper()
	directory := t.TempDir()
	verdict, info := recordedRun(t, directory, name)
	record, err := info.record(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range record.Model.Incarnations() {
		if err := os.WriteFile(filepath.Join(directory, "logs", i.Name+".log"), []byte(recordedLog), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return address(t, verdict, info), verdict
}

func TestReportInABrowser(t *testing.T) {
	file, verdict := recordedPage(t, "driver-node-power-off")
	p := newTab(t, 1400, 1000)
	p.run(t, chromedp.Navigate(file), ready())
	p.shoot(t, "pass-light")
	if got := value[string](t, p, `document.querySelector(".verdict").innerText`); !strings.Contains(got, "PASS") {
		t.Errorf("the verdict is %q", got)
	}
	t.Run("an invariant highlights exactly its evidence", func(t *testing.T) {
		for _, r := range verdict.Results {
			p.run(t, chromedp.Evaluate(fmt.Sprintf(`document.querySelector('a.prove[href="#invariant=%s"]').click()`, r.Invariant), nil))
			want := strings.Trim(fmt.Sprint(r.Evidence), "[]")
			if got := value[string](t, p, `document.getElementById("app").dataset.events`); got != want {
				t.Errorf("%s highlights %q, want %q", r.Invariant, got, want)
			}
			if got := value[string](t, p, `document.querySelector("tr.chosen").dataset.invariant`); got != r.Invariant {
				t.Errorf("the row of %q is marked, want %s", got, r.Invariant)
			}
		}
		p.shoot(t, "evidence")
	})
	t.Run("the keyboard moves and zooms", func(t *testing.T) {
		shown := func() [2]float64 {
			return [2]float64{value[float64](t, p, `Number(document.getElementById("app").dataset.from)`),
				value[float64](t, p, `Number(document.getElementById("app").dataset.to)`)}
		}
		p.run(t, chromedp.Focus("canvas.lanes", chromedp.ByQuery), chromedp.KeyEvent("0"))
		all := shown()
		p.run(t, chromedp.KeyEvent("+"))
		zoomed := shown()
		p.run(t, chromedp.KeyEvent(kb.ArrowRight))
		moved := shown()
		if all[0] != 0 || zoomed[1]-zoomed[0] >= all[1] || moved[0] <= zoomed[0] || moved[1]-moved[0] != zoomed[1]-zoomed[0] {
			t.Errorf("all %v, zoomed %v, moved %v", all, zoomed, moved)
		}
	})
	t.Run("a link shows its event and object", func(t *testing.T) {
		seq := verdict.Faults[0].Evidence
		p.run(t, chromedp.Navigate(file+fmt.Sprintf("#e%d", seq)), ready(), chromedp.WaitVisible("section.event pre", chromedp.ByQuery))
		if got := value[string](t, p, `document.querySelector("section.event").innerText`); !strings.Contains(got, fmt.Sprintf("#%d", seq)) ||
			!strings.Contains(got, "nodePowerOff") {
			t.Errorf("the event is %q", got)
		}
		p.shoot(t, "event")
	})
	t.Run("a search finds pods and events", func(t *testing.T) {
		for text, want := range map[string]string{"driver 2": "1 of 1: driver 2", "executor": "1 of 4", "nothing like this": "nothing found"} {
			p.run(t, chromedp.SetValue("#app input", text, chromedp.ByQuery),
				chromedp.Evaluate(`document.querySelector("#app input").dispatchEvent(new Event("input"))`, nil),
				chromedp.SendKeys("#app input", kb.Enter, chromedp.ByQuery))
			if got := value[string](t, p, `document.querySelector("#app .count").innerText`); !strings.Contains(got, want) {
				t.Errorf("%q finds %q, want %q", text, got, want)
			}
		}
	})
	t.Run("logs are text without colours", func(t *testing.T) {
		p.run(t, chromedp.Focus("canvas.lanes", chromedp.ByQuery), chromedp.KeyEvent("0"),
			chromedp.Poll(`document.querySelector(".logs").textContent.includes("WARN red </script>")`, nil,
				chromedp.WithPollingTimeout(browserWait)))
	})
	p.silent(t)
}

func TestReportInTheDark(t *testing.T) {
	file, _ := recordedPage(t, "driver-node-frozen")
	p := newTab(t, 1400, 1000)
	p.run(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}),
		chromedp.Navigate(file+"#invariant=atMostOneDriver"), ready())
	p.shoot(t, "two-drivers-dark")
	if got := value[string](t, p, `getComputedStyle(document.body).backgroundColor`); got == "rgb(255, 255, 255)" {
		t.Errorf("the page is %s in the dark", got)
	}
	p.silent(t)
}

func TestReportWithoutJavaScript(t *testing.T) {
	file, verdict := recordedPage(t, "driver-node-power-off")
	p := newTab(t, 1400, 1000)
	p.run(t, emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(file), chromedp.WaitVisible("svg.overview", chromedp.ByQuery))
	var text string
	p.run(t, chromedp.Text("body", &text, chromedp.ByQuery))
	for _, r := range verdict.Results {
		if !strings.Contains(text, r.Invariant) || !strings.Contains(text, r.Message) {
			t.Errorf("nothing is told of %s", r.Invariant)
		}
	}
	for _, want := range []string{"PASS", "needs JavaScript", "Run it again", "Phases of recovery", "in all", "What it cost"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	p.shoot(t, "without-javascript")
	p.silent(t)
}

func TestReportOnAPhone(t *testing.T) {
	file, _ := recordedPage(t, "driver-node-power-off")
	p := newTab(t, 390, 844)
	p.run(t, emulation.SetDeviceMetricsOverride(390, 844, 1, true), chromedp.Navigate(file), ready())
	p.shoot(t, "phone")
	if got := value[float64](t, p, `document.documentElement.scrollWidth`); got > 390 {
		t.Errorf("the page is %v pixels wide on a screen with 390", got)
	}
	p.silent(t)
}

func TestReportOnPaper(t *testing.T) {
	file, _ := recordedPage(t, "driver-node-power-off")
	p := newTab(t, 1400, 1000)
	var printed []byte
	p.run(t, chromedp.Navigate(file), ready(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		printed, _, err = page.PrintToPDF().WithPreferCSSPageSize(true).WithPrintBackground(true).Do(ctx)
		return err
	}))
	if !bytes.HasPrefix(printed, []byte("%PDF")) || !bytes.Contains(printed, []byte("/MediaBox [0 0 594.9")) &&
		!bytes.Contains(printed, []byte("/MediaBox [0 0 595")) {
		t.Errorf("%d bytes are no PDF of A4", len(printed))
	}
	p.run(t, emulation.SetEmulatedMedia().WithMedia("print"))
	if !value[bool](t, p, `getComputedStyle(document.getElementById("app")).display === "none" && `+
		`getComputedStyle(document.getElementById("static")).display !== "none"`) {
		t.Error("on paper the picture is not the one that needs no JavaScript")
	}
	p.shoot(t, "paper")
	p.silent(t)
}

// A run whose pods and logs are named by an attacker shows their names, and does nothing.
func TestHostileNamesInABrowser(t *testing.T) {
	directory := t.TempDir()
	_, info := recordedRun(t, directory, "driver-node-power-off")
	path := filepath.Join(directory, HistoryFile)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = `</script><img src=x onerror=alert(1)>`
	encoded, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.ReplaceAll(content, []byte("wordcount-driver"), encoded[1:len(encoded)-1])
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	p := newTab(t, 1400, 1000)
	p.run(t, chromedp.Navigate(address(t, verdict, info)+fmt.Sprintf("#e%d", verdict.Results[0].Evidence[1])), ready(),
		chromedp.WaitVisible("section.event pre", chromedp.ByQuery))
	if n := value[int](t, p, `document.images.length + document.querySelectorAll("script").length`); n != 3 {
		t.Errorf("%d images and scripts, want the page's own 3 scripts", n)
	}
	if got := value[string](t, p, `document.body.innerText`); !strings.Contains(got, name) {
		t.Error("the name is not shown")
	}
	p.shoot(t, "hostile")
	p.silent(t)
}
