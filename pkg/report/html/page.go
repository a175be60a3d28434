// Package html makes report.html: one file that shows a run without any other file, network or server. What decides the verdict can be read
// without JavaScript; with it the timeline can be searched, and each sentence leads to its events.
package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// Tone is how a verdict is shown, in colour and in a sign.
type Tone string

// The tones.
const (
	Good   Tone = "good"
	Bad    Tone = "bad"
	Unsure Tone = "unsure"
)

// Sign returns the sign of a tone: colours never stand alone.
func (t Tone) Sign() string {
	return map[Tone]string{Good: "✔", Bad: "✖", Unsure: "?"}[t]
}

// Invariant is a row of the table of invariants.
type Invariant struct {
	Name, Verdict, Measured, Bound, Message string
	Tone                                    Tone
	Evidence                                []int64
	Lines                                   []Line
	Unmet                                   []string // assumptions that did not hold
}

// Line is an event in words.
type Line struct {
	Event int64
	At    time.Duration
	Text  string
	First bool // the first line about the event: links without JavaScript lead to it
}

// Fault is a row of the table of faults.
type Fault struct {
	Name, Kind, State, Reason string
	Tone                      Tone
	Proof                     []string
	Evidence                  int64
}

// Figure is a number that is shown large.
type Figure struct{ Name, Value, Note string }

// Previous is another run of the scenario.
type Previous struct {
	Name, Verdict, Link string
	Tone                Tone
	Recovery            time.Duration // 0: none
	Here                bool          // it is the run of the page
}

// Delay is a part of a recovery with what its settings predict, in words.
type Delay struct {
	advise.Delay
	Predicted string
}

// Log is the end of the log of a pod.
type Log struct {
	Name string // of the pod
	Text string
	Cut  bool // its begin was left out
}

// Page is what report.html shows.
type Page struct {
	Scenario, Description, Verdict, Reason, Rerun string
	Tone                                          Tone
	Control                                       string
	Fast                                          bool // the cluster notices dead nodes sooner than in production
	Story                                         tell.Story
	Figures                                       []Figure
	Invariants                                    []Invariant
	Faults                                        []Fault
	Recoveries                                    []tell.Recovery
	Delays                                        []Delay  // why the recoveries took so long
	Advices                                       []string // what would help
	Facts                                         [][2]string
	Previous                                      []Previous
	Timeline                                      *timeline.Timeline // nil: the history is not there
	Record                                        *Collector
	Logs                                          []Log
}

//go:embed page.tmpl assets
var files embed.FS

// Render returns the page as one file.
func Render(page Page) ([]byte, error) {
	script, err := files.ReadFile("assets/report.js")
	if err != nil {
		return nil, err
	}
	style, err := files.ReadFile("assets/report.css")
	if err != nil {
		return nil, err
	}
	page.markFirst()
	data, raw, err := page.pack()
	if err != nil {
		return nil, err
	}
	t, err := template.New("page.tmpl").Funcs(template.FuncMap{
		"line": printable.Line, "took": wording.Duration, "at": offset,
		"overview": func(t *timeline.Timeline) (template.HTML, error) { return overview(t) },
		"drawn":    drawn, "percent": percent,
	}).ParseFS(files, "page.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		Page
		CSP           string
		Style, Script template.HTML // with their elements: the hashes are of what stands between them
		Data, Raw     template.HTML
	}{
		page, fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; img-src data:; base-uri 'none'; form-action 'none'", digest(script),
			digest(style)),
		element("style", style), element("script", script), packed("data", data), packed("raw", raw),
	})
	if err != nil {
		return nil, fmt.Errorf("render report.html: %w", err)
	}
	return out.Bytes(), nil
}

// markFirst marks the first line about each event.
func (p *Page) markFirst() {
	seen := map[int64]bool{}
	for _, i := range p.Invariants {
		for n := range i.Lines {
			i.Lines[n].First = !seen[i.Lines[n].Event]
			seen[i.Lines[n].Event] = true
		}
	}
}

// digest returns a source expression of a content security policy.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// element returns an element with content that was built with this package.
func element(name string, content []byte) template.HTML {
	return template.HTML("<" + name + ">" + string(content) + "</" + name + ">")
}

// packed returns an element that holds data: base64 has no character that ends it.
func packed(id string, data []byte) template.HTML {
	if len(data) == 0 {
		return ""
	}
	return template.HTML(`<script type="application/gzip" id="` + id + `">` + base64.StdEncoding.EncodeToString(data) + "</script>")
}

func offset(d time.Duration) string { return fmt.Sprintf("+%.1fs", d.Seconds()) }

// percent returns the share of a whole, for a bar.
func percent(part, whole time.Duration) string {
	if whole <= 0 {
		return "0"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*part.Seconds()/whole.Seconds()), ".0")
}
