package html

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	xhtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// The bundle is built from the sources that are checked in; "make web" builds it.
func TestTheBundleBelongsToItsSources(t *testing.T) {
	t.Parallel()
	web := filepath.Join("..", "..", "..", "web")
	sources, err := filepath.Glob(filepath.Join(web, "src", "*"))
	if err != nil || len(sources) < 4 {
		t.Fatalf("%d sources, %v", len(sources), err)
	}
	names := []string{"build.mjs", "package-lock.json"}
	for _, source := range sources {
		names = append(names, "src/"+filepath.Base(source))
	}
	slices.Sort(names)
	digest := sha256.New()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(web, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(digest, "%s\x00%s\x00", name, content)
	}
	script, err := files.ReadFile("assets/report.js")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(script, []byte("\n"))
	if want := "/* sources sha256:" + hex.EncodeToString(digest.Sum(nil)) + " */"; string(first) != want {
		t.Errorf("assets/report.js was not built from web/src as it is: run \"make web\"\n got %s\nwant %s", first, want)
	}
}

func TestTheLockFileNamesNoAddress(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "web", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte(`"resolved"`)) || !bytes.Contains(content, []byte(`"integrity"`)) {
		t.Error("web/package-lock.json names addresses, or no checksums: its .npmrc was not used")
	}
}

const hostile = `</script><script>alert(1)</script> "><img src=x onerror=alert(1)> ' {{.}} <style> -->`

func hostilePage() Page {
	lane := timeline.Lane{
		Group: timeline.Nodes, Name: hostile, Detail: hostile,
		Spans: []timeline.Span{{From: 0, To: time.Second, State: timeline.Ready, Text: hostile, Events: []int64{1, 2}}},
		Marks: []timeline.Mark{{At: time.Second, Text: hostile, Event: 2}},
	}
	collector := NewCollector(nil)
	collector.Observe(&history.Event{Seq: 1, Source: history.Kubernetes, Type: history.Added,
		Object: &history.Object{Kind: "Pod", Name: hostile, UID: "u"},
		Data:   json.RawMessage(`{"a":"</script><script>alert(2)</script>"}`)})
	return Page{
		Scenario: hostile, Description: hostile, Verdict: "VIOLATION", Reason: hostile, Rerun: hostile, Tone: Bad, Control: hostile,
		Story: tell.Story{Lead: []tell.Sentence{{Text: hostile, Events: []int64{1}}},
			Paragraphs: []tell.Paragraph{{Heading: "x", Sentences: []tell.Sentence{{Text: hostile}}}}},
		Figures: []Figure{{hostile, hostile, hostile}},
		Invariants: []Invariant{{Name: hostile, Verdict: hostile, Measured: hostile, Bound: hostile, Message: hostile, Tone: Bad,
			Evidence: []int64{1}, Lines: []Line{{Event: 1, Text: hostile}}, Unmet: []string{hostile}}},
		Faults:   []Fault{{Name: hostile, Kind: hostile, State: hostile, Reason: hostile, Tone: Unsure, Proof: []string{hostile}, Evidence: 1}},
		Facts:    [][2]string{{hostile, hostile}},
		Previous: []Previous{{Name: hostile, Verdict: hostile, Link: "javascript:alert(1)", Tone: Bad}},
		Timeline: &timeline.Timeline{End: time.Second, Lanes: []timeline.Lane{lane}, Series: timeline.Series{Step: time.Second},
			Faults: []timeline.Window{{Fault: hostile, Kind: hostile, Target: hostile, To: time.Second, Events: []int64{1}, Lanes: []int{0}}},
			Phases: []timeline.Bracket{{Fault: hostile, Name: hostile, To: time.Second, Events: []int64{1, 2}}}},
		Record: collector,
		Logs:   []Log{{Name: hostile, Text: hostile}},
	}
}

func TestHostileTextIsOnlyText(t *testing.T) {
	t.Parallel()
	content, err := Render(hostilePage())
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	// The only scripts are the data, which no browser runs, and the bundle.
	if got := strings.Count(page, "<script"); got != 3 {
		t.Errorf("%d scripts, want 3", got)
	}
	for _, bad := range []string{"<img", "alert(1)</script>", `href="javascript:`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	tokens := xhtml.NewTokenizer(strings.NewReader(page))
	for tokens.Next() != xhtml.ErrorToken {
		token := tokens.Token()
		for _, a := range token.Attr {
			if token.Type != xhtml.TextToken && (strings.HasPrefix(a.Key, "on") || a.Key == "style") {
				t.Errorf("<%s> has the attribute %s, which the page's policy forbids", token.Data, a.Key)
			}
		}
	}
}

func TestThePolicyAllowsExactlyThePagesOwnScriptAndStyle(t *testing.T) {
	t.Parallel()
	content, err := Render(hostilePage())
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, name := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<` + name + `>(.*?)</` + name + `>`).FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("no %s", name)
		}
		sum := sha256.Sum256([]byte(found[1]))
		if want := name + "-src &#39;sha256-" + strings.ReplaceAll(base64.StdEncoding.EncodeToString(sum[:]), "+",
			"&#43;") + "&#39;"; !strings.Contains(page, want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") || strings.Contains(page, "unsafe") ||
		regexp.MustCompile(`(src|href)="https?:`).MatchString(page) {
		t.Error("the policy is not strict, or the page loads something")
	}
}

func unzip(t *testing.T, packed []byte, into any) {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

// An object that changes is kept as patches that give its last state back.
func TestPatchesGiveTheObjectBack(t *testing.T) {
	t.Parallel()
	value := rapid.Custom(func(t *rapid.T) any {
		return rapid.OneOf(rapid.Just[any](nil), rapid.Just[any]("a"), rapid.Just[any](1.5), rapid.Just[any]([]any{"x", nil})).Draw(t, "v")
	})
	object := rapid.Custom(func(t *rapid.T) map[string]any {
		inner := rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), value).Draw(t, "inner")
		all := map[string]any{"metadata": any(nil)}
		nested := map[string]any{}
		for key, v := range inner {
			nested[key] = v
			all[key] = v
		}
		all["metadata"] = nested
		return all
	})
	rapid.Check(t, func(t *rapid.T) {
		c := NewCollector(nil)
		states := rapid.SliceOfN(object, 1, 6).Draw(t, "states")
		for i, state := range states {
			data, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			c.Observe(&history.Event{Seq: int64(i + 1), Source: history.Kubernetes, Type: history.Modified,
				Object: &history.Object{Kind: "Pod", Name: "p", UID: "u"}, Data: data})
		}
		var now any
		for i, e := range c.events {
			var patch any
			if err := json.Unmarshal(e.raw, &patch); err != nil {
				t.Fatal(err)
			}
			if e.prev == 0 {
				now = patch
			} else {
				now = apply(now, patch)
			}
			if diff := cmp.Diff(any(states[i]), now); diff != "" {
				t.Fatalf("state %d: %s", i, diff)
			}
		}
	})
}

func TestEvidenceKeepsItsRawData(t *testing.T) {
	t.Parallel()
	c := NewCollector([]int64{3})
	c.bytes = maxRaw + 1
	for seq := int64(1); seq <= 4; seq++ {
		c.Observe(&history.Event{Seq: seq, Source: history.Harness, Type: history.Problem, Data: json.RawMessage(`{"what":"x"}`)})
	}
	p := Page{Timeline: &timeline.Timeline{}, Record: c}
	_, packed, err := p.pack()
	if err != nil {
		t.Fatal(err)
	}
	var raw rawData
	unzip(t, packed, &raw)
	if diff := cmp.Diff([]string{"", "", `{"what":"x"}`, ""}, raw.Raw); diff != "" || !c.over {
		t.Errorf("left out: %v\n%s", c.over, diff)
	}
}

func TestThePictureHasSixtyLanesAtMost(t *testing.T) {
	t.Parallel()
	tl := &timeline.Timeline{End: time.Minute}
	for i := range 200 {
		tl.Lanes = append(tl.Lanes, timeline.Lane{Group: timeline.OtherPods, Name: fmt.Sprintf("pod %d", i)})
	}
	tl.Lanes[150] = timeline.Lane{Group: timeline.Application, Name: "driver 2"}
	tl.Faults = []timeline.Window{{Fault: "f", Lanes: []int{199}, To: time.Second, Events: []int64{1}}}
	shown := drawn(tl)
	if len(shown) != maxLanes || !slices.Contains(shown, 150) || !slices.Contains(shown, 199) || !slices.IsSorted(shown) {
		t.Errorf("drawn are %v", shown)
	}
	content, err := Render(Page{Scenario: "s", Tone: Good, Timeline: tl, Record: NewCollector(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte("60 of 200 lanes are drawn")) {
		t.Error("the page does not tell that lanes were left out")
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\x1b[31mred\x1b[0m line": "red line", "\x1b]0;title\x07x": "x", "a\x1b(Bb": "a\x1b(Bb", "none": "none", "\x1b[38;5;1mx": "x",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// The contrast of text on its ground is that of WCAG AA in both colour schemes.
func TestContrast(t *testing.T) {
	t.Parallel()
	style, err := files.ReadFile("assets/report.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`(?s):root\{(--bg.*?)\}`).FindAllSubmatch(style, -1)
	if len(schemes) != 2 {
		t.Fatalf("%d schemes", len(schemes))
	}
	for n, scheme := range schemes {
		colours := map[string]string{}
		for _, found := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]+)`).FindAllSubmatch(scheme[1], -1) {
			colours[string(found[1])] = string(found[2])
		}
		for _, pair := range [][2]string{
			{"ink", "bg"}, {"soft", "bg"}, {"link", "bg"}, {"ink", "panel"}, {"soft", "panel"}, {"link", "panel"}, {"good", "bg"}, {"bad", "bg"},
			{"unsure", "bg"},
			{"good", "good-bg"}, {"bad", "bad-bg"}, {"unsure", "unsure-bg"}, {"bg", "fault"},
			{"ink", "ready"}, {"ink", "running"}, {"ink", "pending"}, {"ink", "starting"}, {"ink", "terminating"}, {"ink", "failed"},
			{"ink", "succeeded"}, {"ink", "unknown"},
			{"ink", "notready"}, {"ink", "active"},
		} {
			if c := contrast(t, colours[pair[0]], colours[pair[1]]); c < 4.5 {
				t.Errorf("scheme %d: %s on %s has a contrast of %.2f, want 4.5", n, pair[0], pair[1], c)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
