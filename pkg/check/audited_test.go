package check

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// auditedCase is a history that an audit made to get a wrong verdict.
type auditedCase struct {
	name  string
	right []string // the verdicts of the run that are right
}

func auditedCases(t *testing.T, folder string) []auditedCase {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "cases.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []auditedCase
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n")[1:] {
		name, right, _ := strings.Cut(line, "\t")
		cases = append(cases, auditedCase{name: name, right: strings.Split(right, " or ")})
	}
	return cases
}

// Each history that an audit found to be judged wrongly gets a right verdict, and the same bytes each time.
func TestAuditedHistories(t *testing.T) {
	t.Parallel()
	const folder = "testdata/histories"
	words := newSaid(t, t.Name())
	for _, tt := range auditedCases(t, folder) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := historytest.Unpack(t, filepath.Join(folder, tt.name+".ndjson.gz"))
			v := judgeBytes(t, content)
			words.add(tt.name, append([]Result{{Invariant: "all", Verdict: v.Verdict, Message: v.Reason}}, v.Results...)...)
			if !slices.Contains(tt.right, string(v.Verdict)) {
				t.Errorf("the run is %s, right is %s: %s", v.Verdict, strings.Join(tt.right, " or "), v.Reason)
				for _, r := range v.Results {
					t.Logf("%s: %s: %s", r.Invariant, r.Verdict, r.Message)
				}
			}
			first := encoded(t, v)
			for range 3 {
				if again := encoded(t, judgeBytes(t, content)); !bytes.Equal(first, again) {
					t.Fatalf("judged again it is something else:\n%s\n%s", first, again)
				}
			}
			t.Logf("%s: %s", v.Verdict, v.Reason)
		})
	}
}
