package table

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

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
		if diff := cmp.Diff(test.want, Wrap(test.text, test.width)); diff != "" {
			t.Errorf("%q at %d:\n%s", test.text, test.width, diff)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	table := New("Machine", "MiB", "Held by")
	table.Add("worker-1", "512", "a run of the scenario driver-node-power-off")
	table.Add("worker-2", "64", "-")
	for width, want := range map[int]string{
		0: `
┌──────────┬─────┬─────────────────────────────────────────────┐
│ Machine  │ MiB │ Held by                                     │
├──────────┼─────┼─────────────────────────────────────────────┤
│ worker-1 │ 512 │ a run of the scenario driver-node-power-off │
│ worker-2 │ 64  │ -                                           │
└──────────┴─────┴─────────────────────────────────────────────┘
`,
		45: `
┌──────────┬─────┬───────────────────────┐
│ Machine  │ MiB │ Held by               │
├──────────┼─────┼───────────────────────┤
│ worker-1 │ 512 │ a run of the scenario │
│          │     │ driver-node-power-off │
│ worker-2 │ 64  │ -                     │
└──────────┴─────┴───────────────────────┘
`,
	} {
		table.Width = width
		var out strings.Builder
		if err := table.Render(&out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), out.String()); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", width, diff)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if width > 0 && twwidth.Width(line) > width {
				t.Errorf("width %d: %q has %d columns", width, line, twwidth.Width(line))
			}
		}
	}
}

func TestPaint(t *testing.T) {
	t.Parallel()
	table := New("A", "B")
	table.Add("x", "y")
	var plain, painted strings.Builder
	if err := table.Render(&plain); err != nil {
		t.Fatal(err)
	}
	table.Paint = func(row, column int, line string) string {
		if row == 0 && column == 1 {
			return "\x1b[31m" + line + "\x1b[0m"
		}
		return line
	}
	if err := table.Render(&painted); err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(plain.String(), " y ", " \x1b[31my\x1b[0m ", 1); painted.String() != want {
		t.Errorf("got\n%q, want\n%q", painted.String(), want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestRenderFails(t *testing.T) {
	t.Parallel()
	table := New("A")
	table.Add("x")
	if err := table.Render(broken{}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v, want what the writer says", err)
	}
}
