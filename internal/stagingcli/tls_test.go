package stagingcli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
	for name, data := range map[string][]byte{"ca.pem": authority.Cert, "cert.pem": pair.Cert, "key.pem": pair.Key, "app.jar": []byte("code")} {
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
	fetch := []string{"fetch", "--server", address, "--id", ticket.ID, "--secret-file", in("secret"), "--into", in("bundle"), "--retry-for", "0s"}
	if code, _, said := process(t, nil, fetch...); code != ExitUnreachable || !strings.Contains(said, "certificate") {
		t.Errorf("without trust in the authority: code %d, %s", code, said)
	}
	if code, _, said := process(t, trusting, fetch...); code != ExitDone {
		t.Errorf("fetch: code %d, %s", code, said)
	}
	if data, err := os.ReadFile(in("bundle/app.jar")); err != nil || string(data) != "code" {
		t.Errorf("unpacked: %q, %v", data, err)
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
