package stagingserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

const (
	// timeout is how long an upload, and a fetch with all its tries, may take.
	timeout = 90 * time.Second
	// poll is how often a server that does not answer is asked again.
	poll = time.Second
)

// Lacks implements launcher.Waiter: what is uploaded to one server must be served by all.
func (p *part) Lacks(ctx context.Context, client kubernetes.Interface) (string, error) {
	return launcher.DeploymentLacks(ctx, client, p.deployment)
}

// Prepare implements launcher.Preparer: it gives the artifacts to the staging server and tells the pods to come how to
// fetch them.
func (p *part) Prepare(ctx context.Context, host *launcher.Host) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	servers, err := host.ReadyPods(ctx, scenario.OfStagingServer)
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		return errors.New("upload the artifacts: no pod of the staging server is ready")
	}
	file, err := os.Open(p.bundle.path)
	if err != nil {
		return fmt.Errorf("upload the artifacts: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	// The artifacts are kept for the driver's pods.
	labels := map[string]string{launcher.RunLabel: host.Env.RunID, launcher.RoleLabel: launcher.RoleDriver}
	owner := staging.Owner{Namespace: host.Env.Namespace, Labels: labels, Type: staging.OwnerTypePod}
	err = p.withClient(ctx, host, servers[0], func(client *staging.Client) error {
		p.ticket, err = client.WithUploadToken(p.trust.uploadToken).Upload(ctx, owner, file)
		return err
	})
	if err != nil {
		return fmt.Errorf("upload the artifacts to pod %s: %w", servers[0].Name, err)
	}
	host.Progress.Say("artifacts are uploaded: %v, %d bytes", p.bundle.names, p.ticket.Size)
	data := history.StagingData{
		ResourceID: p.ticket.ID, SHA256: p.ticket.SHA256, Bytes: p.ticket.Size, Files: p.bundle.names, Server: servers[0].Name,
	}
	if err := host.Record(history.Staging, history.ArtifactsUploaded, data); err != nil {
		return err
	}
	_, err = launcher.Create(ctx, host.Client, secretOf(host.Env, p.ticket, p.trust.ca))
	return err
}

// Verify implements launcher.Verifier: it fetches from each server that is ready what was uploaded before the faults, with the
// same secret: that a pod is Ready is no evidence. If none is ready it waits for one. What it sees is for the invariants to judge.
func (p *part) Verify(ctx context.Context, host *launcher.Host) error {
	if p.ticket.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var seen atomic.Value
	seen.Store("no pod of the staging server is ready")
	last := func() string { return seen.Load().(string) }
	done := host.Progress.Await("the staging server", timeout, last)
	defer done()
	var answered bool
	var attempts int
	err := wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		servers, err := host.ReadyPods(ctx, scenario.OfStagingServer)
		if err != nil {
			seen.Store(err.Error())
			return false, nil
		}
		for _, server := range servers {
			attempts++
			told, err := p.fetchFrom(ctx, host, server, attempts)
			if err != nil {
				return false, err
			}
			answered = answered || told
		}
		return answered, nil
	})
	if answered || err == nil || !wait.Interrupted(err) {
		return err
	}
	data := history.StagingData{ResourceID: p.ticket.ID, Expected: p.ticket.SHA256, Attempts: attempts, Error: last()}
	return host.Record(history.Staging, history.ArtifactsUnreachable, data)
}

// fetchFrom fetches from one server and records what came of it; false if the server did not answer.
func (p *part) fetchFrom(ctx context.Context, host *launcher.Host, server corev1.Pod, attempt int) (answered bool, err error) {
	data := history.StagingData{ResourceID: p.ticket.ID, Expected: p.ticket.SHA256, Server: server.Name, Attempts: attempt}
	fetched := p.withClient(ctx, host, server, func(client *staging.Client) error {
		content, err := client.Fetch(ctx, p.ticket)
		if err != nil {
			return err
		}
		data.Bytes, err = io.Copy(io.Discard, content)
		return errors.Join(err, content.Close())
	})
	refused := new(staging.RefusedError)
	switch {
	case fetched == nil:
		data.SHA256 = p.ticket.SHA256 // the client fails when it is another one
		return true, host.Record(history.Staging, history.ArtifactsFetched, data)
	case errors.As(fetched, &refused):
		data.Status, data.Error = refused.Status, fetched.Error()
		return true, host.Record(history.Staging, history.ArtifactsRefused, data)
	case errors.Is(fetched, staging.ErrMismatch):
		data.Error = fetched.Error()
		return true, host.Record(history.Staging, history.ArtifactsRefused, data)
	default:
		return false, nil // asked again
	}
}

// withClient reaches one pod of the staging server, and no other one.
func (p *part) withClient(ctx context.Context, host *launcher.Host, server corev1.Pod, do func(*staging.Client) error) error {
	address, closePort, err := host.Forward(ctx, server.Name, port)
	if err != nil {
		return err
	}
	defer closePort()
	transport := p.trust.transport()
	defer transport.CloseIdleConnections()
	client, err := staging.NewClient(strings.Replace(address, "http://", "https://", 1), &http.Client{Transport: transport})
	if err != nil {
		return err
	}
	return do(client)
}
