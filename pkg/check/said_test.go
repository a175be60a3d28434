package check

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// said collects what results say, case by case, and compares it with a golden file when all cases are done. A test of one case compares
// that one alone.
type said struct {
	path  string
	mu    sync.Mutex
	cases map[string]string
}

// newSaid compares what the cases of a test add with testdata/said/<name>.golden.
func newSaid(t *testing.T, name string) *said {
	t.Helper()
	s := &said{path: filepath.Join("testdata", "said", name+".golden"), cases: map[string]string{}}
	t.Cleanup(func() { s.compare(t) })
	return s
}

func (s *said) add(name string, results ...Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		s.cases[name] += inWords(r)
	}
}

// heading begins a case in a golden file.
const heading = "=== "

func (s *said) compare(t *testing.T) {
	t.Helper()
	if *update {
		var all strings.Builder
		for _, name := range slices.Sorted(maps.Keys(s.cases)) {
			all.WriteString(heading + name + "\n" + s.cases[name])
		}
		if err := os.WriteFile(s.path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, section := range strings.Split("\n"+string(content), "\n"+heading)[1:] {
		name, text, _ := strings.Cut(section, "\n")
		want[name] = strings.TrimSuffix(text, "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(s.cases)) {
		if diff := gocmp.Diff(want[name], strings.TrimSuffix(s.cases[name], "\n")); diff != "" {
			t.Errorf("%s in %s (-want +got; -update rewrites it):\n%s", name, s.path, diff)
		}
	}
}

// inWords writes all that a result says.
func inWords(r Result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s: %s\n", r.Invariant, r.Verdict, r.Message)
	if r.Measured != "" || r.Bound != "" {
		fmt.Fprintf(&out, "  measured %q, bound %q\n", r.Measured, r.Bound)
	}
	for _, a := range r.Assumptions {
		mark := "+"
		if !a.Held {
			mark = "-"
		}
		fmt.Fprintf(&out, "  %s %s\n", mark, a.What)
	}
	for _, line := range r.Narrative {
		fmt.Fprintf(&out, "  %d at %s: %s\n", line.Seq, line.Offset, line.Text)
	}
	if len(r.Evidence) != len(r.Narrative) {
		fmt.Fprintf(&out, "  evidence %v\n", r.Evidence)
	}
	return out.String()
}
