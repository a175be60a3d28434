//go:build linux

package machine

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "s"), filepath.Join(dir, "f")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code := http.StatusOK
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer server.Close()
	client := server.Client()
	for condition, want := range map[string]bool{
		"unix:" + socket: true, "unix:" + file: false, "unix:" + dir + "/none": false,
		"file:" + file: true, "file:" + dir + "/none": false,
		server.URL: true, "https://127.0.0.1:1/": false, "nonsense": false,
	} {
		if got := holds(t.Context(), client, condition); got != want {
			t.Errorf("%s: %v, want %v", condition, got, want)
		}
	}
	code = http.StatusServiceUnavailable
	if holds(t.Context(), client, server.URL) {
		t.Error("a server that is not ready counts as ready")
	}
}
