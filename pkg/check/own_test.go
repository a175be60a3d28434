package check

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func TestOwnInvariantsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	own := Definition{
		Name: "mine", Args: func() any { return &NoArgs{} },
		New: func(any) Checker {
			return CheckerFunc(func(m *model.Model) Result { return NewFinding(m).Held("fine") })
		},
	}
	content := storyBytes(t, historytest.PowerOff(historytest.Expect("mine", args{})))
	judge := func(own ...Definition) (RunVerdict, error) {
		return Judge(t.Context(), history.NewReader(bytes.NewReader(content)), own...)
	}
	if v, err := judge(own); err != nil || v.Verdict != Pass {
		t.Errorf("%s: %s, %v", v.Verdict, v.Reason, err)
	}
	if v, err := judge(); err != nil || v.Verdict != Inconclusive || !strings.Contains(v.Reason, `no invariant "mine"`) {
		t.Errorf("without it: %s: %s, %v", v.Verdict, v.Reason, err)
	}
	for _, taken := range []string{"mine", "completes"} {
		other := own
		other.Name = taken
		if _, err := judge(own, other); err == nil || !strings.Contains(err.Error(), taken) {
			t.Errorf("two called %s: %v", taken, err)
		}
	}
	if entries := Entries(own); entries[len(entries)-1].Name != "mine" {
		t.Errorf("a scenario cannot name it: the last entry is %s", entries[len(entries)-1].Name)
	}
}
