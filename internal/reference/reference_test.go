package reference

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestKindsOfValues(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"type":"string"}`: "text",
		`{"type":"string","examples":["512m"],"pattern":"^[1-9]"}`:                         "text, like `512m`",
		`{"type":"string","pattern":"^([0-9]+(\\.[0-9]*)?(h|m|s|ms|us|ns))+$"}`:            "duration",
		`{"type":"string","pattern":"^([0-9]+(h|m|s|ms|us|ns))+(\\.\\.([0-9]+(h|m))+)?$"}`: "duration, or a range: `2s`, `1s..5s`",
		`{"type":"boolean"}`:                                                              "`true`, `false`",
		`{"type":"integer","minimum":1,"maximum":50}`:                                     "whole number, 1 to 50",
		`{"type":"integer","minimum":0}`:                                                  "whole number, 0 or more",
		`{"type":"number"}`:                                                               "number",
		`{"enum":["a","b|c"]}`:                                                            "`a`, `b\\|c`",
		`{"type":"array","items":{"type":"string"}}`:                                      "list of text",
		`{"type":"array","items":{"$ref":"#/$defs/invariant"}}`:                           "list of [invariant](invariants.md)",
		`{"type":"object","additionalProperties":{"type":"string"}}`:                      "map to text",
		`{"type":"array","items":{"type":"object"}}`:                                      "list of objects",
		`{"type":"object","additionalProperties":false}`:                                  "object",
		`{"oneOf":[{"enum":["fast"]},{"type":"object"}]}`:                                 "`fast`, or object",
		`{"anyOf":[{"enum":["driver"]},{"pattern":"^manifest/[a-z]+$"}],"type":"string"}`: "`driver`, or `manifest/NAME`",
	} {
		var s schema
		if err := json.Unmarshal([]byte(in), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.kind(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestArgumentsInObjectsHaveTheirPaths(t *testing.T) {
	t.Parallel()
	var s schema
	in := `{"properties":{"node":{"type":"object","description":"Node is struck.","properties":{
		"of":{"type":"string","default":"driver","description":"a | b <c>"}}},
		"hosts":{"type":"array","items":{"type":"object","description":"Hosts.","properties":{"name":{"type":"string"}}}}},"required":["node"]}`
	if err := json.Unmarshal([]byte(in), &s); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"`node`", "object", "required", "`node` is struck."},
		{"`node.of`", "text", "`driver`", `a \| b &lt;c>`},
		{"`hosts`", "list of objects", "", "Hosts."},
		{"`hosts[].name`", "text", "", ""},
	}
	if diff := cmp.Diff(want, argumentRows("", &s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"one.yaml": {Data: []byte("spec:\n  faults:\n  - inject: {podKill: {force: true}}\n    when: {driverRunning: {}, delay: 2s}\n" +
			"    recover: {when: {faultLanded: {fault: a}}}\n  expect:\n  - completes: {within: 8m}\n")},
		"controls/two.yaml": {Data: []byte("spec:\n  faults:\n  - inject: {podKill: {}}\n    when: {driverRunning: {}}\n")},
	}
	found, err := usesIn(files)
	if err != nil {
		t.Fatal(err)
	}
	var p page
	p.used(found["fault/podKill"], "", nil)
	p.used(found["anchor/driverRunning"], "when", nil)
	p.used(found["invariant/completes"], "", nil)
	p.used(found["invariant/absent"], "", nil)
	for _, want := range []string{
		"- inject: {podKill: {force: true}}\n  when: {driverRunning: {}, delay: 2s}\n",
		"Scenarios: [one](../../scenarios/one.yaml).\n\nControls: [two](../../scenarios/controls/two.yaml).",
		"when: {driverRunning: {}, delay: 2s}\n```", "- completes: {within: 8m}\n", "No shipped scenario uses it.",
	} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("no %q in:\n%s", want, p.String())
		}
	}
	if found["anchor/faultLanded"] == nil {
		t.Error("the anchor of a recovery was not found")
	}
	if _, err := usesIn(fstest.MapFS{"broken.yaml": {Data: []byte("spec: [")}}); err == nil || !strings.Contains(err.Error(), "broken.yaml") {
		t.Errorf("a broken scenario: %v", err)
	}
}

func TestCommandPage(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool"}
	group := &cobra.Command{Use: "group", Short: "Hold others", Run: func(*cobra.Command, []string) {}}
	child := &cobra.Command{Use: "child FILE", Short: "Do it", Aliases: []string{"kid"}, Example: "  tool group child x\n  tool group kid y",
		Long: "Do it to *.yaml, for <name>:\n\n    as *this*", Run: func(*cobra.Command, []string) {}}
	child.Flags().StringP("output", "o", "table", "`format`: a|b")
	child.Flags().Bool("secret", false, "not shown")
	child.Flags().Int("number", 0, "how many")
	group.PersistentFlags().Bool("dry", false, "change nothing")
	if err := child.Flags().MarkHidden("secret"); err != nil {
		t.Fatal(err)
	}
	group.AddCommand(child, &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}})
	root.AddCommand(group)
	got := commandPage(group)
	for _, want := range []string{
		"# tool group\n", "Hold others.", "\n## tool group child\n", `Do it to \*.yaml, for &lt;name>:`, "\n    as *this*\n",
		"```text\ntool group child FILE [flags]\n```", "Also called `kid`.", "```bash\ntool group child x\ntool group kid y\n```",
		"| `-o, --output format` | `table` | format: a\\|b |", "| `--number NUMBER` |  | how many |",
		"| `--dry` |  | change nothing |", "It also takes the flags of [tool group](#tool-group).",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	for _, absent := range []string{"secret", "hidden"} {
		if strings.Contains(got, absent) {
			t.Errorf("%q is shown:\n%s", absent, got)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	in := "# Faults\n\n<!-- Generated. -->\n\n- [a](#a)\n- [b](#b)\n\nSee [anchors](anchors.md#x).\n"
	if diff := cmp.Diff("# FAULTS\n\n\n\nSee anchors.\n", plain(in)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
