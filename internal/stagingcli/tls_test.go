package stagingcli

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/pki"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

func TestHTTPS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server("staging", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, data := range map[string][]byte{"ca.pem": authority.Cert, "cert.pem": pair.Cert, "key.pem": pair.Key,
		"app.jar": []byte("code")} {
		if err := os.WriteFile(in(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := "https://" + serve(t, "--storage", "memory", "--tls-cert", in("cert.pem"), "--tls-key", in("key.pem"))
	trusting := []string{"SSL_CERT_FILE=" + in("ca.pem")}
	code, out, said := process(t, trusting, "upload", "--server", address, "--owner-namespace", "ns", "--owner-label", "a=b", in("app.jar"))
	var ticket staging.Ticket
	if err := json.Unmarshal([]byte(out), &ticket); err != nil || code != ExitDone {
		t.Fatalf("upload: code %d, %s, %v", code, said, err)
	}
	if err := os.WriteFile(in("secret"), []byte(ticket.Secret), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch := []string{"fetch", "--server", address, "--id", ticket.ID, "--secret-file", in("secret"), "--into", in("bundle"), "--retry-for",
		"0s"}
	if code, _, said := process(t, nil, fetch...); code != ExitUnreachable || !strings.Contains(said, "certificate") {
		t.Errorf("without trust in the authority: code %d, %s", code, said)
	}
	if code, _, said := process(t, trusting, fetch...); code != ExitDone {
		t.Errorf("fetch: code %d, %s", code, said)
	}
	if code, _, said := process(t, nil, append(fetch, "--replace", "--ca-file", in("ca.pem"))...); code != ExitDone {
		t.Errorf("fetch with --ca-file: code %d, %s", code, said)
	}
	if code, _, said := process(t, nil, append(fetch, "--replace", "--ca-file", in("app.jar"))...); code != ExitUsage ||
		!strings.Contains(said, "no certificate") {
		t.Errorf("fetch with a --ca-file that is none: code %d, %s", code, said)
	}
	if data, err := os.ReadFile(in("bundle/app.jar")); err != nil || string(data) != "code" {
		t.Errorf("unpacked: %q, %v", data, err)
	}
}

// A certificate that is rotated is served without a restart, and files that are no certificate end nothing.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	issue := func(name string) {
		t.Helper()
		authority, err := pki.NewAuthority("test")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := authority.Server(name, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(certFile, pair.Cert, 0o600), os.WriteFile(keyFile, pair.Key, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	issue("first")
	address := serve(t, "--storage", "memory", "--tls-cert", certFile, "--tls-key", keyFile)
	served := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // the name alone is looked at
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if name := served(); name != "first" {
		t.Fatalf("the certificate is that of %q, want first", name)
	}
	issue("second")
	for deadline := time.Now().Add(time.Minute); served() != "second"; {
		if time.Now().After(deadline) {
			t.Fatal("after a minute the old certificate is served")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * certificateAge)
	if name := served(); name != "second" {
		t.Errorf("with a file that is no certificate that of %q is served, want second", name)
	}
}

// serve runs the server until the test ends and returns its address.
func serve(t *testing.T, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log, w := io.Pipe()
	root := New()
	root.SetArgs(append([]string{"serve", "--listen", "127.0.0.1:0", "--clean-up", cleanUpInitial}, flags...))
	root.SetErr(w)
	ended := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		w.Close()
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	address := make(chan string, 1)
	go func() {
		defer close(address)
		serving := regexp.MustCompile(`msg=serving address=(\S+)`)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if match := serving.FindStringSubmatch(lines.Text()); match != nil {
				address <- match[1]
			}
		}
	}()
	at, ok := <-address
	if !ok {
		t.Fatalf("the server ended before it listened: %v", <-ended)
	}
	return at
}
