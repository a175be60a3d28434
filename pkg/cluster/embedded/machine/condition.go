//go:build linux

package machine

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// probeInterval is short, because a cluster's start is a chain of such waits.
const probeInterval = 20 * time.Millisecond

// awaitCondition returns when a condition holds:
//
//	unix:/run/x.sock    somebody accepts connections at the socket
//	file:/run/x         the file exists
//	https://host/path   the server answers 200, no matter who it is; http:// likewise
func awaitCondition(ctx context.Context, condition string) {
	// The certificate is not checked: what is asked for is whether somebody serves, and nothing is told to it.
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, //nolint:gosec // see above
	}}
	_ = wait.PollUntilContextCancel(ctx, probeInterval, true, func(ctx context.Context) (bool, error) {
		return holds(ctx, client, condition), nil
	})
}

func holds(ctx context.Context, client *http.Client, condition string) bool {
	if path, ok := strings.CutPrefix(condition, "unix:"); ok {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	if path, ok := strings.CutPrefix(condition, "file:"); ok {
		_, err := os.Stat(path)
		return err == nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, condition, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// waitAny returns when some child has ended, without reaping it.
func waitAny() error {
	for {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
