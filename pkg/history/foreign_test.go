package history_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const secret = "hunter2"

// foreignPod is a pod with a secret wherever somebody may write one.
func foreignPod() map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": "orders-driver", "uid": "u", "labels": map[string]any{"spark-role": "driver"},
			"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": secret},
		},
		"spec": map[string]any{
			"nodeName": "n1", "volumes": []any{map[string]any{"name": secret}},
			"containers": []any{map[string]any{
				"name": "main", "image": "orders:1", "args": []any{"--conf", "spark.hadoop.fs.s3a.secret.key=" + secret}, "command": []any{secret},
				"env": []any{map[string]any{"name": "PASSWORD", "value": secret}},
			}},
		},
		"status": map[string]any{
			"phase": "Failed",
			"containerStatuses": []any{map[string]any{"name": "main", "state": map[string]any{"terminated": map[string]any{
				"exitCode": int64(1), "message": "cannot log in with " + secret,
			}}}},
		},
	}
}

func TestNoSecretOfAForeignPodIsKept(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "orders-driver", "uid": "u", "labels": map[string]any{"spark-role": "driver"}},
		"spec":     map[string]any{"nodeName": "n1", "containers": []any{map[string]any{"name": "main", "image": "orders:1"}}},
		"status": map[string]any{
			"phase":             "Failed",
			"containerStatuses": []any{map[string]any{"name": "main", "state": map[string]any{"terminated": map[string]any{"exitCode": int64(1)}}}},
		},
	}
	if diff := cmp.Diff(want, history.Foreign("Pod", foreignPod())); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// Whatever fields a Job or an operator's application has in its spec and its data, no text of theirs is kept.
func TestNoTextOfAForeignSpecIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			switch kind := rapid.IntRange(0, 2).Draw(t, "kind"); {
			case depth == 0 || kind == 0:
				return secret
			case kind == 1:
				return []any{value(depth - 1)}
			default:
				name := rapid.SampledFrom([]string{
					"env", "sparkConf", "driver", "template", "spec", "containers", "restartPolicy", "value", "args", "metadata", "annotations",
				}).Draw(t, "name")
				return map[string]any{name: value(depth - 1)}
			}
		}
		object := map[string]any{"kind": "SparkApplication"}
		for _, field := range []string{"data", "stringData"} {
			object[field] = value(2)
		}
		object["spec"] = map[string]any{rapid.SampledFrom([]string{"sparkConf", "template", "driver", "hadoopConf"}).Draw(t, "field"): value(4)}
		object["metadata"] = map[string]any{"annotations": value(2), "managedFields": value(2)}
		object["status"] = map[string]any{"applicationState": map[string]any{"state": "FAILED", "errorMessage": secret}}
		encoded, err := json.Marshal(history.Foreign("SparkApplication", object))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(encoded), secret) {
			t.Errorf("%s is kept of %v", encoded, object)
		}
	})
}
