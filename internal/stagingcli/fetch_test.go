package stagingcli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/server"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// lab is a server that fails as often as it is told before it answers.
type lab struct {
	url     string
	failing atomic.Int64
}

func newLab(t *testing.T) *lab {
	t.Helper()
	stored, err := store.Open(t.Context(), store.Memory)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Storage: server.Stored(stored), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var l lab
	handler := s.Handler()
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && l.failing.Add(-1) >= 0 {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		real.Close()
		_ = stored.Close()
	})
	l.url = real.URL
	return &l
}

func command(args ...string) (code int, out, said string) {
	var stdout, stderr bytes.Buffer
	code = Main("staging", args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func (l *lab) upload(t *testing.T) staging.Ticket {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.jar")
	if err := os.WriteFile(file, []byte("code"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, said := command("upload", "--server", l.url, "--owner-namespace", "ns", "--owner-label", "a=b", file)
	var ticket staging.Ticket
	if err := json.Unmarshal([]byte(out), &ticket); err != nil || code != ExitDone {
		t.Fatalf("upload: code %d, %s, %v", code, said, err)
	}
	return ticket
}

// records returns what was reported into a directory.
func records(t *testing.T, dir string) []history.WitnessRecord {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "uid-1-artifacts-*"+witness.FileSuffix))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of reports: %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var all []history.WitnessRecord
	for line := range bytes.Lines(data) {
		record, err := witness.ParseRecord(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
	return all
}

func TestFetch(t *testing.T) {
	t.Setenv("SPARKCHAOS_POD_UID", "uid-1")
	t.Setenv("SPARKCHAOS_POD_NAME", "driver-1")
	t.Setenv("SPARKCHAOS_NODE_NAME", "worker-1")
	l := newLab(t)
	ticket := l.upload(t)
	for name, tc := range map[string]struct {
		change  func(*staging.Ticket)
		failing int64
		limit   string
		code    int
		kind    string
		detail  map[string]string
	}{
		"at once": {code: ExitDone, kind: history.ArtifactsFetched,
			detail: map[string]string{"attempts": "1", "sha256": ticket.SHA256, "status": "200"}},
		"at last": {failing: 2, limit: "50k", code: ExitDone, kind: history.ArtifactsFetched, detail: map[string]string{"attempts": "3"}},
		"never": {failing: 1 << 30, code: ExitUnreachable, kind: history.ArtifactsUnreachable,
			detail: map[string]string{"status": "502"}},
		"unknown": {change: func(t *staging.Ticket) { t.ID = "00000000-0000-4000-8000-000000000000" }, code: ExitRefused,
			kind: history.ArtifactsRefused, detail: map[string]string{"attempts": "1", "status": "404"}},
		"wrong secret": {change: func(t *staging.Ticket) { t.Secret = "x" }, code: ExitRefused, kind: history.ArtifactsRefused,
			detail: map[string]string{"attempts": "1", "status": "401"}},
		"another bundle": {change: func(t *staging.Ticket) { t.SHA256 = strings.Repeat("0", 64) }, code: ExitRefused,
			kind: history.ArtifactsRefused, detail: map[string]string{"attempts": "1", "sha256": ticket.SHA256}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ticket
			if tc.change != nil {
				tc.change(&asked)
			}
			l.failing.Store(tc.failing)
			dir := t.TempDir()
			secret, into := filepath.Join(dir, "secret"), filepath.Join(dir, "bundle")
			if err := os.WriteFile(secret, []byte(asked.Secret+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, said := command("fetch", "--server", l.url, "--id", asked.ID, "--secret-file", secret, "--sha256", asked.SHA256, "--into", into,
				"--retry-for", "2s", "--limit-rate", tc.limit, "--report-role", "driver", "--report-dir", dir)
			if code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, said)
			}
			if data, err := os.ReadFile(filepath.Join(into, "app.jar")); (err == nil) != (tc.code == ExitDone) || err == nil &&
				string(data) != "code" {
				t.Errorf("unpacked: %q, %v", data, err)
			}
			reported := records(t, dir)
			if len(reported) != 2 || reported[0].Type != history.ArtifactsFetching || reported[1].Type != tc.kind {
				t.Fatalf("reported %+v, want %s and %s", reported, history.ArtifactsFetching, tc.kind)
			}
			last := reported[1]
			if last.Seq != 2 || last.PodUID != "uid-1/artifacts" || last.PodName != "driver-1" || last.Node != "worker-1" || last.Role != "driver" ||
				last.Detail["resourceID"] != asked.ID {
				t.Errorf("reported %+v", last)
			}
			for key, want := range tc.detail {
				if last.Detail[key] != want {
					t.Errorf("detail %s is %q, want %q", key, last.Detail[key], want)
				}
			}
			if strings.Contains(said, ticket.Secret[:36]) || strings.Contains(last.Detail["error"], ticket.Secret[:36]) {
				t.Error("the secret is told")
			}
		})
	}
}

// Nobody who answers in place of the server can fill the disk: bytes beyond the bundle are not written.
func TestFetchIsBounded(t *testing.T) {
	t.Parallel()
	const most, far = 1 << 20, 256 << 20
	var sent atomic.Int64
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<16); sent.Load() < far; sent.Add(int64(len(chunk))) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, said := command("fetch", "--server", endless.URL, "--id", "id", "--secret-file", secret, "--sha256", strings.Repeat("0", 64),
		"--max-bytes", fmt.Sprint(most), "--into", filepath.Join(dir, "bundle"))
	if code != ExitRefused || !strings.Contains(said, "at most 1048576 bytes") || !strings.Contains(said, "--max-bytes") {
		t.Errorf("code %d, %s; want %d and the bound", code, said, ExitRefused)
	}
	endless.Close() // waits for the sender
	if n := sent.Load(); n >= far {
		t.Errorf("%d bytes were taken", n)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"nothing": {nil, []string{"name one of the commands"}},
		"unknown": {[]string{"fetch", "--bogus"}, []string{"--bogus"}},
		"empty fetch": {[]string{"fetch", "--limit-rate", "0", "--max-bytes", "0", "--ca-file", "/nonexistent"},
			[]string{"server", "--max-bytes", "--ca-file", "--id", "--into", "--secret-file", "--limit-rate"}},
		"empty serve": {[]string{"serve", "--tls-key", "k", "--clean-up", "x", "--max-uploads", "0", "--min-rate", "0", "--max-store-bytes",
			"-1"}, []string{"--min-rate", "--max-store-bytes", "--storage", "--tls-cert", "--clean-up", "--max-uploads"}},
		"empty upload":  {[]string{"upload"}, []string{"server", "FILE", "ownerNamespace", "ownerLabels"}},
		"bad reporting": {[]string{"fetch", "--report-dir", "x"}, []string{"--report-role"}},
	} {
		code, _, said := command(tc.args...)
		if code != ExitUsage {
			t.Errorf("%s: exit code %d, want %d", name, code, ExitUsage)
		}
		for _, want := range tc.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: error lacks %q: %s", name, want, said)
			}
		}
	}
}

func TestReportsShowTheToken(t *testing.T) {
	t.Parallel()
	var received []history.WitnessRecord
	server := witness.NewServer(witness.NewInbox(func(r history.WitnessRecord) error {
		received = append(received, r)
		return nil
	}), "right", func(p history.ProblemData) { t.Errorf("problem %+v", p) })
	listening := httptest.NewServer(server.Handler())
	defer listening.Close()
	for token, want := range map[string]string{"right": "", "wrong": "401", "": "401"} {
		var said bytes.Buffer
		r := newReporter("driver", "uid-"+token, "driver-1", "worker-1", "", listening.URL, token, &said)
		r.say(t.Context(), history.ArtifactsFetching, nil)
		if (want == "") != (said.Len() == 0) || !strings.Contains(said.String(), want) {
			t.Errorf("with the token %q: %q, want %q", token, &said, want)
		}
	}
	if len(received) != 1 || received[0].PodUID != "uid-right"+history.ArtifactsWriter {
		t.Errorf("received %+v, want the one report with the token", received)
	}
}
