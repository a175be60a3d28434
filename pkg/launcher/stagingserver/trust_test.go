package stagingserver

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The harness takes nobody else for the run's staging server, by whatever address it reaches it.
func TestStagingServerIsKnownByItsCertificate(t *testing.T) {
	t.Parallel()
	const host = "staging.run-1.svc"
	ours, err := newTrust(host)
	if err != nil {
		t.Fatal(err)
	}
	anothers, err := newTrust(host)
	if err != nil {
		t.Fatal(err)
	}
	renamed := *ours
	renamed.host = "staging.run-2.svc"
	if token := ours.uploadToken; len(token) < 20 || token == anothers.uploadToken {
		t.Errorf("upload tokens %q and %q: want long ones, each of its own", token, anothers.uploadToken)
	}
	pair, err := tls.X509KeyPair(ours.cert, ours.key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	for name, tc := range map[string]struct {
		trust *trust
		known bool
	}{"its own run": {ours, true}, "another run": {anothers, false}, "another name": {&renamed, false}} {
		transport := tc.trust.transport()
		response, err := (&http.Client{Transport: transport}).Get(server.URL)
		if (err == nil) != tc.known {
			t.Errorf("%s: %v, want it to be known: %t", name, err, tc.known)
		}
		if err == nil {
			response.Body.Close()
		}
		transport.CloseIdleConnections()
	}
}
