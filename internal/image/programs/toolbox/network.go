package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

func serve(ctx context.Context, w world, args []string) (int, error) {
	rest, err := arguments(nil, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	host, err := w.hostname()
	if err != nil {
		return exitFailure, err
	}
	listener, err := net.Listen("tcp", rest[0])
	if err != nil {
		return exitFailure, err
	}
	if err := w.say("serving on %s", listener.Addr()); err != nil {
		return exitFailure, err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(
		func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(rw, "%s %s %s from %s\n", host, r.Method, r.URL, r.RemoteAddr)
		})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return exitFailure, err
	}
	return exitSignaled, nil
}

func get(ctx context.Context, w world, args []string) (int, error) {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	timeout := flags.Duration("timeout", 5*time.Second, "")
	rest, err := arguments(flags, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, rest[0], nil)
	if err != nil {
		return exitUsage, fmt.Errorf("%w: %w", errUsage, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return exitFailure, err
	}
	_, err = io.Copy(w.stdout, response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s answered %s", rest[0], response.Status)
	}
	return codeOf(err), err
}

func tcpHold(ctx context.Context, w world, args []string) (int, error) {
	flags := flag.NewFlagSet("tcp-hold", flag.ContinueOnError)
	timeout := flags.Duration("timeout", 10*time.Second, "")
	rest, err := arguments(flags, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	// Without keep-alives: a peer that falls silent must show as silence, not as a time-out.
	dialer := net.Dialer{Timeout: *timeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", rest[0])
	if err != nil {
		return exitFailure, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := w.say("established %s -> %s", conn.LocalAddr(), conn.RemoteAddr()); err != nil {
		return exitFailure, err
	}
	code, err := watch(w, conn)
	if ctx.Err() != nil {
		return exitSignaled, nil
	}
	return code, err
}

// watch prints what arrives on a connection until it ends, and how it ended.
func watch(w world, conn net.Conn) (int, error) {
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			if err := w.say("data %d from %s", n, conn.RemoteAddr()); err != nil {
				return exitFailure, err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return exitOK, w.say("fin from %s", conn.RemoteAddr())
		case errors.Is(err, syscall.ECONNRESET):
			return exitReset, w.say("rst from %s", conn.RemoteAddr())
		default:
			return exitFailure, errors.Join(err, w.say("error %v", err))
		}
	}
}

func tcpServe(ctx context.Context, w world, args []string) (int, error) {
	flags := flag.NewFlagSet("tcp-serve", flag.ContinueOnError)
	every := flags.Duration("every", time.Second, "")
	rest, err := arguments(flags, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(ctx, "tcp", rest[0])
	if err != nil {
		return exitFailure, err
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	if err := w.say("listening on %s", listener.Addr()); err != nil {
		return exitFailure, err
	}
	w.stdout = &lockedWriter{w: w.stdout}
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return exitSignaled, nil
		}
		if err != nil {
			return exitFailure, err
		}
		connections.Go(func() { hold(ctx, w, conn, *every) })
	}
}

// hold serves one connection: it sends lines and prints what the peer does.
func hold(ctx context.Context, w world, conn net.Conn, every time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = w.say("accepted %s", conn.RemoteAddr())
	if every > 0 {
		go func() {
			_, _ = tickTo(ctx, w, conn, every)
		}()
	}
	_, _ = watch(w, conn)
}

// lockedWriter lets the lines of several connections go out one after the other.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes p as a whole.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
