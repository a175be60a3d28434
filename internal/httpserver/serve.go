// Package httpserver runs an HTTP server of the harness on a socket that a cluster gave: for a time that a context
// bounds, with clients that may freeze or vanish at any moment.
package httpserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// grace is how long requests under way may take when the server is told to end.
const grace = 3 * time.Second

// Serve answers on l until ctx ends, lets requests under way finish for a few seconds, and closes l. It returns nil
// when ctx ended, else why it could not continue; what names the server in errors.
func Serve(ctx context.Context, what string, l net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler,
		// A frozen or powered-off node leaves connections half open: none may be held for ever.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := server.Shutdown(waiting); err != nil {
			stopped <- server.Close()
			return
		}
		stopped <- nil
	})
	err := server.Serve(l)
	if stop() {
		return fmt.Errorf("%s at %s stopped: %w", what, l.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("close %s at %s: %w", what, l.Addr(), err)
	}
	return nil
}
