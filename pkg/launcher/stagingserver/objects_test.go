package stagingserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// A server that cuts off slow clients takes those of its run for none.
func TestSlowFetchingIsAllowed(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]string{"": "", "1": "1", "1k": "512", "8k": "4096", "20k": "", "3m": ""} {
		args := serveArgs(scenario.StagingServer{FetchRate: rate}, launchertest.Environment(), "memory")
		got := ""
		if i := slices.Index(args, "--min-rate"); i >= 0 {
			got = args[i+1]
		}
		if got != want {
			t.Errorf("pods that fetch at %q: --min-rate %q, want %q", rate, got, want)
		}
	}
}

// render returns the objects of a workload, and what it has of the server.
func render(t *testing.T, w scenario.Workload) (*launcher.Objects, *part) {
	t.Helper()
	o, err := launcher.Render(w, launchertest.Environment(), []launcher.Component{Component{}})
	if err != nil {
		t.Fatal(err)
	}
	return o, o.Members[0].Part.(*part)
}

// TestTheServersIdentityIsInNoOtherObject checks that only Secrets hold secret values.
func TestTheServersIdentityIsInNoOtherObject(t *testing.T) {
	t.Parallel()
	o, server := render(t, launchertest.StagedWordCount())
	if err := server.Fill(launcher.Values{}); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"tls.crt": string(server.trust.cert), "tls.key": string(server.trust.key),
		"upload-token": server.trust.uploadToken}
	if diff := cmp.Diff(secrets, server.identity.StringData); diff != "" {
		t.Errorf("the server's secret (-want +got):\n%s", diff)
	}
	for _, text := range []string{server.deployment.String(), server.service.String(), o.Driver.String(), o.ConfigMap.String()} {
		if strings.Contains(text, server.trust.uploadToken) || strings.Contains(text, string(server.trust.key)) {
			t.Errorf("an object holds what is secret: %s", text)
		}
	}
}

func TestTheServerGetsItsOwnVariablesAlone(t *testing.T) {
	t.Parallel()
	w := launchertest.StagedWordCount()
	w.StagingServer.URL, w.StagingServer.Credentials = "s3://bucket", []string{"AWS_SECRET"}
	_, server := render(t, w)
	if err := server.Fill(launcher.Values{Variables: map[string]string{"AWS_SECRET": "s", "S3A_SECRET": "another"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"AWS_SECRET": "s"}, server.credentials.StringData); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
}
