package httpserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestServeLetsRequestsUnderWayFinish(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	finish := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-finish
		io.WriteString(w, "done")
	})
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, "test", l, handler) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-entered
	cancel()
	close(finish)
	if got := <-body; got != "done" {
		t.Errorf("the request under way got %q, want %q", got, "done")
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil after its context ended", err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("the socket still accepts after Serve returned")
	}
}

func TestServeNamesWhatStopped(t *testing.T) {
	t.Parallel()
	l := listen(t)
	l.Close()
	err := Serve(t.Context(), "witness", l, http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "witness at "+l.Addr().String()) {
		t.Errorf("Serve on a closed socket = %v, want an error that names the witness and its address", err)
	}
}
