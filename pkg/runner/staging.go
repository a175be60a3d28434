package runner

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/pki"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

const (
	// stagingTimeout is how long an upload, and a fetch with all its tries, may take.
	stagingTimeout = 90 * time.Second
	// stagingPoll is how often a server that does not answer is asked again.
	stagingPoll = time.Second
)

// stagingTrust is how harness and pods know the staging server of a session, and it knows the harness. It is made anew for
// each session, lives in memory and in Secrets of the session's namespace, and is written nowhere else.
type stagingTrust struct {
	host     string // the name that the certificate has
	ca       []byte // PEM
	identity launcher.StagingServerIdentity
}

// newStagingTrust makes an authority, a certificate by it for a host, and an upload token. The authority's key is dropped: it
// signs nothing more.
func newStagingTrust(host string) (*stagingTrust, error) {
	authority, err := pki.NewAuthority("staging server of a sparkchaos run")
	if err != nil {
		return nil, err
	}
	pair, err := authority.Server(host, host)
	if err != nil {
		return nil, err
	}
	return &stagingTrust{
		host: host, ca: authority.Cert,
		identity: launcher.StagingServerIdentity{Cert: pair.Cert, Key: pair.Key, UploadToken: cryptorand.Text()},
	}, nil
}

// transport returns what reaches a server by whatever address, and trusts it alone.
func (t *stagingTrust) transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(t.ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: t.host, MinVersion: tls.VersionTLS12}}
}

// bundle is what the harness uploads for a run: the application's jar and files.
type bundle struct {
	path  string
	names []string
}

// packArtifacts finds what pods have to fetch and packs it into the run directory; nil if nothing is.
func (r *run) packArtifacts(ctx context.Context) error {
	names := scenario.Artifacts(r.Plan.Workload.Application)
	if len(names) == 0 {
		return nil
	}
	var files []*os.File
	defer func() {
		for _, file := range files {
			_ = file.Close() // opened for reading only, or removed
		}
	}()
	var problems []error
	for _, name := range names {
		file, err := r.Artifact(ctx, name)
		if problems = append(problems, err); err == nil {
			files = append(files, file)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	padding, err := r.padding()
	if err != nil {
		return err
	}
	if padding != nil {
		files = append(files, padding)
		defer func() { _ = os.Remove(padding.Name()) }() // it is in the bundle
	}
	b := &bundle{path: r.directory.Bundle()}
	for _, file := range files {
		b.names = append(b.names, filepath.Base(file.Name()))
	}
	file, err := createPrivate(b.path)
	if err != nil {
		return fmt.Errorf("pack the application's artifacts: %w", err)
	}
	if err := errors.Join(staging.PackFiles(file, files...), file.Close()); err != nil {
		return fmt.Errorf("pack the application's artifacts: %w", err)
	}
	r.bundle = b
	return nil
}

// padding makes a file of noise, which no compression makes small; the seed decides it. None is asked for: no file.
func (r *run) padding() (*os.File, error) {
	size, err := staging.ParseBytes(r.Plan.Workload.StagingServer.Padding)
	if err != nil || size == 0 {
		return nil, err
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], r.Plan.Seed)
	file, err := createPrivate(r.directory.file("padding.bin"))
	if err != nil {
		return nil, fmt.Errorf("make the padding of the artifacts: %w", err)
	}
	_, err = io.CopyN(file, rand.NewChaCha8(seed), size)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the padding of the artifacts: %w", err), file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

// digest is the hash of what pods fetch, empty if that is nothing.
func (b *bundle) digest() (string, error) {
	if b == nil {
		return "", nil
	}
	content, err := os.ReadFile(b.path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// upload gives the artifacts to the staging server and tells the pods to come how to fetch them.
func (s *session) upload(ctx context.Context, objects *launcher.Objects) error {
	if objects.Staging == nil {
		return nil
	}
	env := s.environment()
	ctx, cancel := context.WithTimeout(ctx, stagingTimeout)
	defer cancel()
	servers, err := s.stagingServers(ctx)
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		return errors.New("upload the artifacts: no pod of the staging server is ready")
	}
	file, err := os.Open(s.run.bundle.path)
	if err != nil {
		return fmt.Errorf("upload the artifacts: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	owner := staging.Owner{Namespace: s.id, Labels: launcher.OwnerLabels(env), Type: staging.OwnerTypePod}
	err = s.withClient(ctx, servers[0], func(client *staging.Client) error {
		s.ticket, err = client.WithUploadToken(s.trust.identity.UploadToken).Upload(ctx, owner, file)
		return err
	})
	if err != nil {
		return fmt.Errorf("upload the artifacts to pod %s: %w", servers[0].Name, err)
	}
	s.run.Progress.Say("artifacts are uploaded: %v, %d bytes", s.run.bundle.names, s.ticket.Size)
	data := history.StagingData{ResourceID: s.ticket.ID, SHA256: s.ticket.SHA256, Bytes: s.ticket.Size, Files: s.run.bundle.names, Server: servers[0].Name}
	if err := s.tellStaging(history.ArtifactsUploaded, data); err != nil {
		return err
	}
	_, err = launcher.Create(ctx, s.run.client, launcher.ArtifactsSecret(env, launcher.Artifacts{
		ID: s.ticket.ID, Secret: s.ticket.Secret, SHA256: s.ticket.SHA256, Bytes: s.ticket.Size, CA: s.trust.ca,
	}))
	return err
}

// verifyArtifacts fetches from each server that is ready what was uploaded before the faults, with the same secret: that
// a pod is Ready is no evidence. If none is ready it waits for one. What it sees is for the invariants to judge.
func (s *session) verifyArtifacts(ctx context.Context) error {
	if s.ticket.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stagingTimeout)
	defer cancel()
	seen := newSeen("no pod of the staging server is ready")
	done := s.run.Progress.Await("the staging server", stagingTimeout, seen.String)
	defer done()
	var answered bool
	var attempts int
	err := wait.PollUntilContextCancel(ctx, stagingPoll, true, func(ctx context.Context) (bool, error) {
		servers, err := s.stagingServers(ctx)
		if err != nil {
			seen.set(err.Error())
			return false, nil
		}
		for _, server := range servers {
			attempts++
			told, err := s.fetchFrom(ctx, server, attempts)
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
	data := history.StagingData{ResourceID: s.ticket.ID, Expected: s.ticket.SHA256, Attempts: attempts, Error: seen.String()}
	return s.tellStaging(history.ArtifactsUnreachable, data)
}

// fetchFrom fetches from one server and records what came of it; false if the server did not answer.
func (s *session) fetchFrom(ctx context.Context, server corev1.Pod, attempt int) (answered bool, err error) {
	data := history.StagingData{ResourceID: s.ticket.ID, Expected: s.ticket.SHA256, Server: server.Name, Attempts: attempt}
	fetched := s.withClient(ctx, server, func(client *staging.Client) error {
		content, err := client.Fetch(ctx, s.ticket)
		if err != nil {
			return err
		}
		data.Bytes, err = io.Copy(io.Discard, content)
		return errors.Join(err, content.Close())
	})
	refused := new(staging.RefusedError)
	switch {
	case fetched == nil:
		data.SHA256 = s.ticket.SHA256 // the client fails when it is another one
		return true, s.tellStaging(history.ArtifactsFetched, data)
	case errors.As(fetched, &refused):
		data.Status, data.Error = refused.Status, fetched.Error()
		return true, s.tellStaging(history.ArtifactsRefused, data)
	case errors.Is(fetched, staging.ErrMismatch):
		data.Error = fetched.Error()
		return true, s.tellStaging(history.ArtifactsRefused, data)
	default:
		return false, nil // asked again
	}
}

func (s *session) tellStaging(eventType string, data history.StagingData) error {
	_, err := s.log.Append(history.Staging, eventType, nil, data)
	return err
}

// withClient reaches one pod of the staging server, and no other one.
func (s *session) withClient(ctx context.Context, server corev1.Pod, do func(*staging.Client) error) error {
	config, err := s.run.cluster.RESTConfig()
	if err != nil {
		return err
	}
	address, closePort, err := launcher.Forward(ctx, config, s.run.client, s.id, server.Name, launcher.StagingPort)
	if err != nil {
		return err
	}
	defer closePort()
	transport := s.trust.transport()
	defer transport.CloseIdleConnections()
	client, err := staging.NewClient(strings.Replace(address, "http://", "https://", 1), &http.Client{Transport: transport})
	if err != nil {
		return err
	}
	return do(client)
}

// stagingServers returns the pods of the staging server that are ready, in the order of their names.
func (s *session) stagingServers(ctx context.Context) ([]corev1.Pod, error) {
	return s.readyPods(ctx, launcher.RoleStagingServer)
}

// readyPods returns the pods of a role that are ready, in the order of their names.
func (s *session) readyPods(ctx context.Context, role string) ([]corev1.Pod, error) {
	pods, err := s.run.client.CoreV1().Pods(s.id).List(ctx, metav1.ListOptions{LabelSelector: launcher.RoleLabel + "=" + role})
	if err != nil {
		return nil, fmt.Errorf("look for pods with the role %s: %w", role, err)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil || !ready(pod) }), nil
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
