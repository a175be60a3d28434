package runs

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

//go:embed index.tmpl
var index string

// Handler serves the list of the runs in a directory, and their reports. directory is where files come from, as the line that runs a run
// again names it. It answers only who asks for an address of this machine, or by the name that it listens at.
func Handler(directory string, files fs.FS, host string) http.Handler {
	s := &server{directory: directory, files: files, host: host}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.list)
	mux.HandleFunc("GET /run/{path...}", s.report)
	return s.guarded(mux)
}

type server struct {
	directory string
	files     fs.FS
	host      string
}

// guarded refuses requests that a foreign page made a browser send, and forbids pages to load anything.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); (ip == nil || !ip.IsLoopback()) && host != "localhost" && host != s.host {
			http.Error(w, "this server answers at localhost", http.StatusMisdirectedRequest)
			return
		}
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// choice is what a reader asked to see.
type choice struct{ Scenario, Verdict, Label string }

func (c choice) fits(run Run) bool {
	key, value, _ := strings.Cut(c.Label, "=")
	return (c.Scenario == "" || run.Scenario == c.Scenario) && (c.Verdict == "" || string(run.Verdict) == c.Verdict) &&
		(c.Label == "" || run.Labels[key] == value)
}

// trend is how the phases of a scenario's recoveries went, over its runs.
type trend struct {
	Scenario string
	Phases   []phaseTrend
}

type phaseTrend struct {
	Name        string
	Points      string // of an SVG polyline, 100 wide and 20 high, the oldest first
	First, Last time.Duration
	Runs        int
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	all, err := List(s.files)
	if err != nil {
		http.Error(w, printable.Line(err.Error()), http.StatusInternalServerError)
		return
	}
	query := r.URL.Query()
	chosen := choice{query.Get("scenario"), query.Get("verdict"), query.Get("label")}
	shown := slices.DeleteFunc(slices.Clone(all), func(run Run) bool { return !chosen.fits(run) })
	t, err := template.New("index").Funcs(template.FuncMap{"line": printable.Line, "took": wording.Duration, "base": path.Base,
		"link": link}).Parse(index)
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, map[string]any{
			"Runs": shown, "All": len(all), "Choice": chosen, "Scenarios": scenarios(all), "Labels": labels(all), "Trends": trends(shown),
			"Verdicts": []check.Verdict{check.Pass, check.Violation, check.Inconclusive, check.Error},
		})
	}
	if err != nil {
		http.Error(w, "the list cannot be shown: "+printable.Line(err.Error()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri "+
		"'none'; frame-ancestors 'none'")
	_, _ = w.Write(out.Bytes()) // who asked may be gone
}

// link returns the address of a run's report.
func link(run Run) string {
	return (&url.URL{Path: "/run/" + run.Path + "/" + report.HTMLFile}).EscapedPath()
}

func scenarios(all []Run) []string {
	var names []string
	for _, run := range all {
		if run.Scenario != "" {
			names = append(names, run.Scenario)
		}
	}
	return wording.Distinct(names)
}

func labels(all []Run) []string {
	var names []string
	for _, run := range all {
		for key, value := range run.Labels {
			names = append(names, key+"="+value)
		}
	}
	return wording.Distinct(names)
}

// trends returns the trends of the scenarios that have several runs with recoveries.
func trends(shown []Run) []trend {
	var all []trend
	for _, scenario := range scenarios(shown) {
		took := map[string][]time.Duration{}
		var names []string
		for _, run := range slices.Backward(shown) {
			if run.Scenario != scenario {
				continue
			}
			for _, r := range run.Recoveries {
				for _, p := range r.Phases {
					if took[p.Name] == nil {
						names = append(names, p.Name)
					}
					took[p.Name] = append(took[p.Name], p.Duration)
				}
				if took["in all"] == nil {
					names = append(names, "in all")
				}
				took["in all"] = append(took["in all"], r.Total)
			}
		}
		one := trend{Scenario: scenario}
		for _, name := range names {
			if times := took[name]; len(times) > 1 {
				one.Phases = append(one.Phases, phaseTrend{Name: name, Points: points(times), First: times[0], Last: times[len(times)-1],
					Runs: len(times)})
			}
		}
		if len(one.Phases) > 0 {
			all = append(all, one)
		}
	}
	return all
}

func points(times []time.Duration) string {
	highest := max(slices.Max(times), 1)
	var all []string
	for i, d := range times {
		all = append(all, fmt.Sprintf("%.1f,%.1f", 100*float64(i)/float64(len(times)-1), 19-18*d.Seconds()/highest.Seconds()))
	}
	return strings.Join(all, " ")
}

// report serves report.html of a run. A run that was judged by a release without it gets one, which is not kept.
func (s *server) report(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	directory, file := path.Split(name)
	directory = strings.TrimSuffix(directory, "/")
	if file != report.HTMLFile || !fs.ValidPath(name) || directory == "" {
		http.NotFound(w, r)
		return
	}
	content, err := readFile(s.files, name)
	if err != nil {
		if _, judged, err := isRun(s.files, directory); err != nil || !judged {
			http.NotFound(w, r)
			return
		}
		verdict, info, err := report.Load(filepath.Join(s.directory, filepath.FromSlash(directory)))
		if err == nil {
			content, err = report.Render(report.HTML, verdict, info, report.Style{})
		}
		if err != nil {
			http.Error(w, "the report cannot be made: "+printable.Line(err.Error()), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(content) // who asked may be gone
}
