package scenario

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlainArguments(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want []int
	}{
		"none":                    {[]string{"--partitions=40", "in", "--output", "out"}, nil},
		"assigned":                {[]string{"in", "--db-password=hunter2"}, []int{1}},
		"assigned without dashes": {[]string{"apiToken=abc"}, []int{0}},
		"what follows":            {[]string{"--secret", "abc", "more"}, []int{1}},
		"a flag without a value":  {[]string{"--use-token", "--partitions=4"}, nil},
		"empty":                   {[]string{"--password="}, nil},
		"a variable":              {[]string{"--password=$(DB_PASSWORD)", "--token", "$(TOKEN)"}, nil},
		"more than a variable":    {[]string{"--password=$(DB_PASSWORD)x"}, []int{0}},
	} {
		if diff := cmp.Diff(tt.want, plainArguments(tt.args)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPlainSecretsAreRefused(t *testing.T) {
	t.Parallel()
	text := withParts(t,
		`{template: {spec: {containers: [{name: spark-kubernetes-driver, env: [{name: REGION, value: eu}, {name: DB_PASSWORD, value: `+
			`hunter2}, {name: API_TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}}}`,
		`{template: {spec: {initContainers: [{name: fetch, image: curl, env: [{name: ACCESS_KEY, value: abc}, {name: accessKey, `+
			`value: abc}]}]}}}`)
	got := problemsOf(t, text)
	if len(got) != 3 {
		t.Fatalf("problems %q, want those of DB_PASSWORD, ACCESS_KEY and accessKey", got)
	}
	if got := problemsOf(t, text, AllowPlainSecrets()); got != nil {
		t.Errorf("allowed, and yet %q", got)
	}
}
