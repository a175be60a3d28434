package check

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// Histories that an audit made to get a wrong verdict, of today's recorder and of an older one, keep the right one.
func TestBreakerHistories(t *testing.T) {
	t.Parallel()
	const folder = "testdata/breaker"
	for _, tt := range auditedCases(t, folder) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := judgeBytes(t, historytest.Unpack(t, filepath.Join(folder, tt.name+".ndjson.gz")))
			if !slices.Contains(tt.right, string(v.Verdict)) {
				t.Errorf("the run is %s, right is %s: %s", v.Verdict, strings.Join(tt.right, " or "), v.Reason)
				for _, r := range v.Results {
					t.Logf("%s: %s: %s", r.Invariant, r.Verdict, r.Message)
				}
			}
		})
	}
}
