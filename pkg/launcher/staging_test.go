package launcher

import (
	"slices"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// A server that cuts off slow clients takes those of its run for none.
func TestSlowFetchingIsAllowed(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]string{"": "", "1": "1", "1k": "512", "8k": "4096", "20k": "", "3m": ""} {
		args := serveArgs(scenario.StagingServer{FetchRate: rate}, environment(), "memory")
		got := ""
		if i := slices.Index(args, "--min-rate"); i >= 0 {
			got = args[i+1]
		}
		if got != want {
			t.Errorf("pods that fetch at %q: --min-rate %q, want %q", rate, got, want)
		}
	}
}

// What is secret stands in Secrets alone.
func TestTheStagingServersIdentityIsInNoOtherObject(t *testing.T) {
	t.Parallel()
	o := render(t, stagedWordCount())
	o.Staging.FillIdentity(StagingServerIdentity{Cert: []byte("the-cert"), Key: []byte("the-key"), UploadToken: "the-token"})
	want := map[string]string{"tls.crt": "the-cert", "tls.key": "the-key", "upload-token": "the-token"}
	for key, value := range want {
		if got := o.Staging.Identity.StringData[key]; got != value {
			t.Errorf("the secret's %s is %q, want %q", key, got, value)
		}
	}
	o.Staging.Identity = nil
	for _, text := range []string{o.Staging.Deployment.String(), o.Staging.Service.String(), o.DriverJob.String(), o.ConfigMap.String()} {
		if strings.Contains(text, "the-token") || strings.Contains(text, "the-key") {
			t.Errorf("an object holds what is secret: %s", text)
		}
	}
}
