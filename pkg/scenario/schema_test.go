package scenario

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// validator returns the schema of the fake catalogue as an editor would use it.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := JSONSchema(fakeCatalogue(), map[string]string{"github.com/sparkchaos/sparkchaos/pkg/scenario.Spec.Settle": "how long"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"description": "how long"`) {
		t.Error("the schema lacks the comment of spec.settle")
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("scenario.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchemaAgreesWithLoad holds what is known good and bad to Load against the schema. References and contradictions
// are beyond a schema; they are left out here.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()
	schema := validator(t)
	tests := map[string]struct {
		old, new string
		good     bool
	}{
		"as it is":            {"kind: Scenario", "kind: Scenario", true},
		"knobs":               {"timing: fast", "timing: {nodeMonitorGracePeriod: 20s}", true},
		"production":          {"timing: fast", "timing: production", true},
		"plain delay":         {"delay: 1s..3s", "delay: 1m30s", true},
		"default of the args": {"executorsRegistered: {atLeast: 2}", "executorsRegistered: {}", true},
		"unknown field":       {"baseline: true", "basline: true", false},
		"unknown timing":      {"timing: fast", "timing: slow", false},
		"unknown fault":       {"nodePowerOff", "nodePowerOf", false},
		"two faults": {"inject: {nodePowerOff: {node: {of: driver}}}",
			"inject: {nodePowerOff: {node: {of: driver}}, podKill: {pod: {of: driver}}}", false},
		"unknown anchor":      {"executorsRegistered", "executorRegistered", false},
		"no anchor":           {"executorsRegistered: {atLeast: 2}, ", "", false},
		"two anchors":         {"executorsRegistered: {atLeast: 2}", "executorsRegistered: {atLeast: 2}, driverRescheduled: {}", false},
		"unknown invariant":   {"completes: {within: 3m}", "complete: {within: 3m}", false},
		"missing bound":       {"{within: 3m}", "{}", false},
		"bare number":         {"within: 3m", "within: 3", false},
		"bare delay":          {"delay: 5s", "delay: 5", false},
		"too few":             {"atLeast: 2", "atLeast: 0", false},
		"unknown storage":     {"storage: none", "storage: cloud", false},
		"shuffle service":     {"stagingServer: {storage: none}", "shuffleService: {enabled: true, localDirectory: container}", true},
		"no such directory":   {"stagingServer: {storage: none}", "shuffleService: {enabled: true, localDirectory: disk}", false},
		"wrong case":          {"kind: Job", "kind: job", false},
		"setting as a number": {"spark.network.timeout: 20s", "spark.x: 20", false},
		"missing name":        {"  name: power-off\n", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := with(t, test.old, test.new)
			_, loadErr := Load("f.yaml", []byte(text), fakeCatalogue())
			asJSON, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var document any
			if err := json.Unmarshal(asJSON, &document); err != nil {
				t.Fatal(err)
			}
			schemaErr := schema.Validate(document)
			if (loadErr == nil) != test.good || (schemaErr == nil) != test.good {
				t.Errorf("want good: %t; Load says %v; the schema says %v", test.good, loadErr, schemaErr)
			}
		})
	}
}
