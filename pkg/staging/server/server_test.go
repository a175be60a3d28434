package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// logBuffer is a log that several goroutines write to.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lab is a server on a directory.
type lab struct {
	server   *Server
	url, dir string
	log      *logBuffer
	client   *staging.Client
}

func newLab(t testing.TB, change func(*Config)) lab {
	t.Helper()
	return labIn(t, t.TempDir(), change)
}

// labIn answers without the deadlines that Serve sets.
func labIn(t testing.TB, dir string, change func(*Config)) lab {
	t.Helper()
	s, log := newServer(t, dir, change)
	front := httptest.NewServer(s.Handler())
	t.Cleanup(front.Close)
	return lab{server: s, url: front.URL, dir: dir, log: log, client: newClient(t, front.URL)}
}

func newServer(t testing.TB, dir string, change func(*Config)) (*Server, *logBuffer) {
	t.Helper()
	stored, err := store.Open(context.Background(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	config := Config{Storage: Stored(stored), Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

func newClient(t testing.TB, url string) *staging.Client {
	t.Helper()
	client, err := staging.NewClient(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func owner() staging.Owner {
	return staging.Owner{Namespace: "ns", Labels: map[string]string{"spark-role": "driver"}, Type: staging.OwnerTypePod}
}

const ownerJSON = `{"ownerNamespace":"ns","ownerLabels":{"spark-role":"driver"},"ownerType":"Pod"}`

type part struct{ name, contentType, body string }

// post sends parts as they are and returns status and body.
func (l lab) post(t testing.TB, path string, parts ...part) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		w, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="../../etc/passwd"`, p.name)},
			"Content-Type":        {p.contentType}, "Content-Transfer-Encoding": {"binary"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, p.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(l.url+path, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, response)
}

func answer(t testing.TB, response *http.Response) (int, string) {
	t.Helper()
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func (l lab) ask(t testing.TB, method, path, secret string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, l.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		request.Header.Set("Authorization", secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, response)
}

// The protocol is that of the original, byte for byte where its clients look.
func TestProtocol(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	resources, of := part{"resources", "multipart/form-data", "the bytes"}, part{"resourcesOwner", "application/json", ownerJSON}
	for _, tc := range []struct {
		path  string
		parts []part
	}{
		{"/api/v0/resources", []part{resources, of}},
		{"/api/v0/resources/", []part{of, resources}},
	} {
		status, body := l.post(t, tc.path, tc.parts...)
		var fields map[string]string
		if err := json.Unmarshal([]byte(body), &fields); err != nil || status != http.StatusOK || len(fields) != 2 {
			t.Fatalf("status %d, body %s, %v", status, body, err)
		}
		id, secret := fields["resourceId"], fields["resourceSecret"]
		if _, err := uuid.Parse(id); err != nil || len(secret) != 1405 {
			t.Errorf("id %q, secret of %d characters", id, len(secret))
		}
		if random, err := base64.StdEncoding.DecodeString(secret[37:]); err != nil || len(random) != 1024 {
			t.Errorf("the secret holds %d random bytes, %v", len(random), err)
		}
		path := "/api/v0/resources/" + id
		unknown := "/api/v0/resources/" + uuid.NewString()
		for _, ask := range []struct {
			method, path, secret string
			status               int
		}{
			{"GET", unknown, secret, 404},
			{"GET", unknown, "", 404},
			{"GET", "/api/v0/resources/..%2f..%2findex%2f" + id, secret, 404},
			{"GET", path, "", 401},
			{"GET", path, secret[:1404], 401},
			{"GET", path, "Bearer " + secret, 401},
			{"GET", path, store.HashSecret(secret), 401},
			{"GET", path, secret, 200},
			{"DELETE", path, "", 401},
			{"GET", path, secret, 200},
			{"DELETE", path, secret, 204},
			{"GET", path, secret, 404},
			{"DELETE", path, secret, 404},
			{"PUT", path, secret, 405},
		} {
			status, body := l.ask(t, ask.method, ask.path, ask.secret)
			if status != ask.status || status == 200 && body != "the bytes" {
				t.Errorf("%s %s: status %d, body %q, want %d", ask.method, ask.path, status, body, ask.status)
			}
		}
	}
	for path, want := range map[string]string{"/api/v0/ping": "pong", "/healthz": "ok\n", "/readyz": "ok\n"} {
		if status, body := l.ask(t, "GET", path, ""); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, body := l.ask(t, "GET", "/metrics", ""); status != 200 ||
		!strings.Contains(body, `sparkchaos_staging_request_seconds_count{op="download",result="401"}`) {
		t.Errorf("metrics: %d %s", status, body)
	}
}

func TestBadUploadsAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.MaxBundleBytes = 1000 })
	resources, of := part{"resources", "", "the bytes"}, part{"resourcesOwner", "", ownerJSON}
	owned := func(json string) part { return part{"resourcesOwner", "", json} }
	for name, tc := range map[string]struct {
		parts  []part
		status int
		want   string
	}{
		"nothing":          {nil, 400, "lacks resourcesOwner and resources"},
		"no owner":         {[]part{resources}, 400, "lacks resourcesOwner"},
		"no bundle":        {[]part{of}, 400, "lacks resources"},
		"empty bundle":     {[]part{of, {"resources", "", ""}}, 400, "empty"},
		"two bundles":      {[]part{of, resources, resources}, 400, "twice"},
		"unknown part":     {[]part{of, resources, {"more", "", ""}}, 400, `"more"`},
		"owner of a kind":  {[]part{resources, owned(strings.Replace(ownerJSON, `"Pod"`, `"Job"`, 1))}, 400, `"Job"`},
		"owner's path":     {[]part{resources, owned(strings.Replace(ownerJSON, `"ns"`, `"../x"`, 1))}, 400, "ownerNamespace"},
		"malformed owner":  {[]part{resources, owned("{")}, 400, "not the JSON"},
		"oversized owner":  {[]part{resources, owned(strings.Repeat(" ", staging.MaxOwnerBytes+1))}, 400, "more than"},
		"oversized bundle": {[]part{of, {"resources", "", strings.Repeat("x", 1001)}}, 413, "too large"},
		"just not too big": {[]part{of, {"resources", "", strings.Repeat("x", 1000)}}, 200, ""},
	} {
		if status, body := l.post(t, "/api/v0/resources", tc.parts...); status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s: status %d, body %q, want %d and %q", name, status, body, tc.status, tc.want)
		}
	}
	for name, body := range map[string]string{"text": "hello",
		"cut short": "--b\r\nContent-Disposition: form-data; name=\"resources\"\r\n\r\nhalf"} {
		response, err := http.Post(l.url+"/api/v0/resources", "multipart/form-data; boundary=b", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if status, said := answer(t, response); status != 400 {
			t.Errorf("%s: status %d %s", name, status, said)
		}
	}
	l.holds(t, 1)
}

// holds checks that the store has so many whole bundles and nothing else.
func (l lab) holds(t testing.TB, want int) {
	t.Helper()
	for sub, n := range map[string]int{"data": want, "index": want, "partial": 0} {
		if entries, err := os.ReadDir(filepath.Join(l.dir, sub)); err != nil || len(entries) != n {
			t.Errorf("%s holds %d files, %v, want %d", sub, len(entries), err, n)
		}
	}
}

// fakeFullDisk is a storage whose disk is full after some bytes.
type fakeFullDisk struct {
	Storage
	room int
}

func (f fakeFullDisk) Begin(ctx context.Context, id string) (Upload, error) {
	u, err := f.Storage.Begin(ctx, id)
	return &fakeFullUpload{u, f.room}, err
}

type fakeFullUpload struct {
	Upload
	room int
}

func (f *fakeFullUpload) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, syscall.ENOSPC
	}
	return f.Upload.Write(p)
}

func TestFullDiskIsAnErrorAndNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Storage = fakeFullDisk{c.Storage, 100_000} })
	_, err := l.client.Upload(t.Context(), owner(), bytes.NewReader(make([]byte, 1<<20)))
	wantNoSpace(t, l, err)
	l.holds(t, 0)
}

// wantNoSpace checks that an upload was answered with 507, and that the log says why.
func wantNoSpace(t *testing.T, l lab, err error) {
	t.Helper()
	var unavailable *staging.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Status != 507 {
		t.Errorf("upload to a full disk: %v, want status 507", err)
	}
	if !strings.Contains(l.log.String(), "no space left") {
		t.Errorf("the log does not say why: %s", l.log)
	}
}

func TestDamagedBundleEndsInACutConnection(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	data := bytes.Repeat([]byte("x"), 300_000)
	ticket, err := l.client.Upload(t.Context(), owner(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1]++
	if err := os.WriteFile(filepath.Join(l.dir, "data", ticket.ID), data, 0o600); err != nil {
		t.Fatal(err)
	}
	body, err := l.client.Fetch(t.Context(), staging.Ticket{ID: ticket.ID, Secret: ticket.Secret})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	if err == nil || n >= int64(len(data)) {
		t.Errorf("%d of %d bytes, error %v: want a download that breaks off", n, len(data), err)
	}
	if err := os.Truncate(filepath.Join(l.dir, "data", ticket.ID), 10); err != nil {
		t.Fatal(err)
	}
	if status, _ := l.ask(t, "GET", "/api/v0/resources/"+ticket.ID, ticket.Secret); status != 500 {
		t.Errorf("a bundle of the wrong size: status %d, want 500", status)
	}
}

func TestUploadsBeyondTheBoundAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.MaxUploads = 1 })
	begun, release := make(chan struct{}), make(chan struct{})
	slow := io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) {
		close(begun)
		<-release
		return 0, io.EOF
	}))
	first := make(chan error, 1)
	go func() {
		_, err := l.client.Upload(t.Context(), owner(), slow)
		first <- err
	}()
	<-begun
	_, err := l.client.Upload(t.Context(), owner(), strings.NewReader("y"))
	var unavailable *staging.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Status != 503 || unavailable.RetryAfter <= 0 {
		t.Errorf("second upload: %v, want status 503 and when to come again", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	ticket, err := l.client.Upload(t.Context(), owner(), strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v0/resources/" + ticket.ID
	l.ask(t, "GET", path, ticket.Secret)
	l.ask(t, "GET", path, ticket.Secret[:1400])
	l.ask(t, "GET", "/api/v0/resources/"+strings.NewReplacer("/", "_", "+", "-").Replace(ticket.Secret), "")
	l.ask(t, "DELETE", path, ticket.Secret)
	for _, secret := range []string{ticket.Secret[:36], ticket.Secret[40:60], store.HashSecret(ticket.Secret)} {
		if strings.Contains(l.log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, l.log)
		}
	}
	if !strings.Contains(l.log.String(), ticket.ID) {
		t.Error("the log does not name the bundle: this test would see nothing")
	}
}

// FuzzUpload: no body makes the server panic or fail, and what it takes is a whole bundle.
func FuzzUpload(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"resources\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; "+
		"name=\"resourcesOwner\"\r\n\r\n"+ownerJSON+"\r\n--b--\r\n"), "multipart/form-data; boundary=b")
	f.Add([]byte("--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte{}, "multipart/mixed")
	stored, err := store.Open(context.Background(), store.Memory)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = stored.Close() })
	s, err := New(Config{Storage: Stored(stored), Log: slog.New(slog.DiscardHandler), MaxBundleBytes: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	handler := s.Handler()
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		request := httptest.NewRequest(http.MethodPost, staging.ResourcesPath, bytes.NewReader(body))
		request.Header.Set("Content-Type", contentType)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		switch recorder.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("status %d: %s", recorder.Code, recorder.Body)
		}
	})
}
