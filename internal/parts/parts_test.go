package parts_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
)

const checkout = "../.."

// maker is a machine whose cache has all parts: the programs are a small Go program, the images are no images.
type maker struct {
	parts.Machine
	prebuilt []image.Prebuilt
}

func TestMain(m *testing.M) {
	code := m.Run()
	if directory, err := makerDirectory(); err == nil {
		_ = os.RemoveAll(directory) // of a test
	}
	os.Exit(code)
}

var makerDirectory = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "parts-maker-") })

var theMaker = sync.OnceValues(func() (maker, error) {
	cache, err := makerDirectory()
	if err != nil {
		return maker{}, err
	}
	root, err := filepath.Abs(checkout)
	if err != nil {
		return maker{}, err
	}
	m := maker{Machine: parts.Machine{Program: "v1.2.3", Env: image.Env{Cache: cache, Checkout: root}}}
	return m, errors.Join(m.makeComponents(), m.makeImages())
})

func (m *maker) makeComponents() error {
	source := filepath.Join(m.Env.Cache, "source")
	program := filepath.Join(source, "program")
	err := errors.Join(os.MkdirAll(source, 0o755),
		os.WriteFile(filepath.Join(source, "go.mod"), []byte("module example.com/program\n\ngo 1.26.0\n"), 0o644),
		os.WriteFile(filepath.Join(source, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644))
	if err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	all, err := components.Components()
	if err != nil {
		return err
	}
	for _, component := range all {
		if component.OnDemand && component.Name != "versitygw" {
			continue
		}
		if err := components.Receive(context.Background(), m.Env.Cache, component, nil, func(dir string) error {
			return fillComponent(dir, program, component)
		}); err != nil {
			return err
		}
	}
	return nil
}

func fillComponent(dir, program string, component components.Component) error {
	bin := filepath.Join(dir, "bin")
	problems := []error{os.Mkdir(bin, 0o755)}
	for _, binary := range component.Binaries() {
		data, err := os.ReadFile(program)
		// Each has bytes of its own, so that each layer is another one.
		data = append(data, component.Name+string(binary)...)
		problems = append(problems, err, os.WriteFile(filepath.Join(bin, string(binary)), data, 0o755))
	}
	for _, link := range component.Links {
		problems = append(problems, os.Symlink(string(component.Binaries()[0]), filepath.Join(bin, string(link))))
	}
	return errors.Join(append(problems, parts.Record(dir))...)
}

func (m *maker) makeImages() error {
	for i, name := range image.PrebuiltNames() {
		source, err := image.Source(context.Background(), m.Env, name)
		if err != nil {
			return err
		}
		p := image.Prebuilt{Name: name, Source: source, Stage: fmt.Sprintf("%024d", i)}
		if err := image.Receive(context.Background(), m.Env, p, func(_ context.Context, dir string) error {
			return fillImage(dir, name)
		}); err != nil {
			return err
		}
		m.prebuilt = append(m.prebuilt, p)
	}
	return nil
}

func fillImage(dir, name string) error {
	files := map[string][]byte{
		"image.tar": bytes.Repeat([]byte(name), 100_000), "image.json": []byte(`{"reference": "docker.io/sparkchaos/` + name + `:1"}`),
	}
	if name == "workloads" {
		files = map[string][]byte{image.StagedJar: []byte("staged"), image.WitnessJar: []byte("witness")}
	}
	var problems []error
	for file, data := range files {
		problems = append(problems, os.WriteFile(filepath.Join(dir, file), data, 0o644))
	}
	return errors.Join(append(problems, parts.Record(dir))...)
}

func newMaker(t *testing.T) maker {
	t.Helper()
	m, err := theMaker()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lines collects what is said.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lines) say(format string, args ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// newcomer is a machine with an empty cache and no checkout.
func newcomer(t *testing.T) (parts.Machine, *lines) {
	t.Helper()
	said := &lines{}
	return parts.Machine{Program: "v1.2.3", Env: image.Env{Cache: t.TempDir()}, Say: said.say}, said
}

// newRegistry serves a registry behind a handler that may answer in its place.
func newRegistry(t *testing.T, before func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool) string {
	t.Helper()
	return "oci://" + strings.TrimPrefix(serve(t, httptest.NewServer, before).URL, "http://") + "/team/parts"
}

func serve(
	t *testing.T,
	start func(http.Handler) *httptest.Server,
	before func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool,
) *httptest.Server {
	t.Helper()
	inner := registry.New(registry.Logger(parts.Silent()))
	server := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r, inner) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestWhatWasPushedIsPulledAndUsed(t *testing.T) {
	t.Parallel()
	from := newMaker(t)
	reference := newRegistry(t, nil)
	pushed, err := from.Push(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	to, said := newcomer(t)
	if err := to.Pull(t.Context(), "oci://"+pushed, parts.Wanted{}); err != nil {
		t.Fatal(err)
	}
	if _, err := components.Locate(to.Env.Cache); err != nil {
		t.Errorf("the components: %v", err)
	}
	if _, err := components.LocateOnDemand(to.Env.Cache, components.VersityGW); err == nil {
		t.Error("what no cluster needs was pulled, too")
	}
	// A checkout of the same sources builds nothing: images that are no images are used as they are.
	withCheckout := image.Env{Cache: to.Env.Cache, Checkout: from.Env.Checkout}
	built, err := image.Build(t.Context(), withCheckout)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(from.prebuilt, built); diff != "" {
		t.Errorf("images (-pushed +used):\n%s", diff)
	}
	// And so does a program without a checkout.
	if spark, err := image.Spark(t.Context(), to.Env); err != nil || spark.Reference != "docker.io/sparkchaos/spark:1" {
		t.Errorf("without a checkout: %+v, %v", spark, err)
	}
	if jar, err := image.Witness(t.Context(), to.Env); err != nil || filepath.Base(jar) != image.WitnessJar {
		t.Errorf("without a checkout: %q, %v", jar, err)
	}
	if err := to.Pull(t.Context(), reference, parts.Wanted{}); err != nil ||
		!strings.Contains(said.String(), "received and verified 0 parts, 0.0 MB; 10 were there") {
		t.Errorf("the second pull: %v\n%s", err, said)
	}
	if err := to.Pull(t.Context(), reference, parts.Wanted{Names: []string{"versitygw"}}); err != nil {
		t.Errorf("by name: %v", err)
	}
	if _, err := components.LocateOnDemand(to.Env.Cache, components.VersityGW); err != nil {
		t.Error(err)
	}
	if err := to.Pull(t.Context(), reference, parts.Wanted{Names: []string{"docker"}}); err == nil ||
		!strings.Contains(err.Error(), `no part "docker"; there are runc,`) {
		t.Errorf("an unknown name: %v", err)
	}
	checkRecords(t, to.Env.Cache)
}

// checkRecords looks into the bill of materials and the provenance.
func checkRecords(t *testing.T, cache string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cache, "parts", "*", "*.json"))
	if err != nil || len(found) != 2 {
		t.Fatalf("records %v, %v", found, err)
	}
	var bom struct {
		BOMFormat  string
		Components []struct {
			Name, Type, Version string
			Components          []struct{ Name string }
		}
	}
	readJSON(t, found[0], &bom)
	if bom.BOMFormat != "CycloneDX" || len(bom.Components) < 11 || bom.Components[0].Name != "runc" ||
		bom.Components[0].Components[0].Name != "bin/runc" {
		t.Errorf("bill of materials %+v", bom)
	}
	var statement struct {
		Type          string `json:"_type"`
		PredicateType string
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
		Predicate struct {
			BuildDefinition struct {
				ResolvedDependencies []struct{ Name string }
			}
			RunDetails struct {
				Builder struct{ Version map[string]string }
			}
		}
	}
	readJSON(t, found[1], &statement)
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.PredicateType != "https://slsa.dev/provenance/v1" ||
		len(statement.Subject) < 20 ||
		statement.Predicate.BuildDefinition.ResolvedDependencies[0].Name != "components.lock" ||
		!strings.HasPrefix(statement.Predicate.RunDetails.Builder.Version["go"], "go1.") {
		t.Errorf("provenance %+v", statement)
	}
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// With credentials and a certificate of an authority of its own.
func TestRegistryWithAuthenticationAndTLS(t *testing.T) {
	server := serve(t, httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if user, password, ok := r.BasicAuth(); ok && user == "ann" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="parts"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	host := strings.TrimPrefix(server.URL, "https://")
	reference := "oci://" + host + "/team/parts:mine"
	from := newMaker(t)
	from.Transport = server.Client().Transport
	config := t.TempDir()
	t.Setenv("DOCKER_CONFIG", config)
	if _, err := from.Push(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "log in to the registry") {
		t.Errorf("without credentials: %v", err)
	}
	login := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ann:secret")))
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Push(t.Context(), reference); err != nil {
		t.Fatal(err)
	}
	to, _ := newcomer(t)
	if err := to.Pull(t.Context(), reference, parts.Wanted{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with an unknown authority: %v", err)
	}
	to.Transport = server.Client().Transport
	if err := to.Pull(t.Context(), reference, parts.Wanted{All: true}); err != nil {
		t.Error(err)
	}
}

// pushed returns a registry that has the parts and then misbehaves.
func pushed(t *testing.T, misbehave func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool) string {
	t.Helper()
	var done bool
	var mutex sync.Mutex
	reference := newRegistry(t, func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool {
		mutex.Lock()
		begin := done
		mutex.Unlock()
		return begin && misbehave != nil && misbehave(w, r, serve)
	})
	if _, err := newMaker(t).Push(t.Context(), reference); err != nil {
		t.Fatal(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	done = true
	return reference
}

// changeBlobs has a function change the blobs that are larger than any document.
func changeBlobs(change func(blob []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		answer := httptest.NewRecorder()
		serve.ServeHTTP(answer, r)
		blob := answer.Body.Bytes()
		if len(blob) < 100_000 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		_, _ = w.Write(change(blob)) // the client may hang up
		return true
	}
}

func status(code int) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.WriteHeader(code)
		return true
	}
}

func TestBadLuckLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		misbehave   func(http.ResponseWriter, *http.Request, http.Handler) bool
		want        string
		unavailable bool
	}{
		"truncated layer": {misbehave: changeBlobs(func(b []byte) []byte { return b[:len(b)/2] }), want: "unexpected EOF"},
		"wrong digest": {misbehave: changeBlobs(func(b []byte) []byte {
			b = bytes.Clone(b)
			b[len(b)/2]++
			return b
		}), want: "error verifying sha256 checksum"},
		"other bytes": {misbehave: changeBlobs(func(b []byte) []byte { return make([]byte, len(b)) }), want: "error verifying sha256 checksum"},
		"gone":        {misbehave: status(http.StatusNotFound), want: "nobody pushed the parts", unavailable: true},
		"refused":     {misbehave: status(http.StatusForbidden), want: "log in to the registry"},
		"broken":      {misbehave: status(http.StatusInternalServerError), want: "500", unavailable: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reference := pushed(t, tc.misbehave)
			to, said := newcomer(t)
			err := to.Pull(t.Context(), reference, parts.Wanted{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || parts.Unavailable(err) != tc.unavailable {
				t.Errorf("Pull = %v, unavailable: %t, want an error with %q", err, parts.Unavailable(err), tc.want)
			}
			checkNothingHalfMade(t, to.Env.Cache)
			getenv := func(string) string { return reference }
			err = to.Prepare(t.Context(), getenv, parts.Wanted{})
			if (err == nil) != tc.unavailable || err == nil && !strings.Contains(said.String(), "is built from source") {
				t.Errorf("Prepare = %v\n%s", err, said)
			}
		})
	}
}

func TestImagesAreAskedForOnlyIfOneIsMissing(t *testing.T) {
	t.Parallel()
	reference := pushed(t, nil)
	to, said := newcomer(t)
	from := func(string) string { return reference }
	if err := to.PrepareImages(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if _, err := components.Locate(to.Env.Cache); err != nil {
		t.Errorf("no components: %v", err)
	}
	away := func(string) string { return "localhost:1/parts" }
	if err := to.PrepareImages(t.Context(), away); err != nil || strings.Contains(said.String(), "does not help") {
		t.Errorf("nothing is missing: %v\n%s", err, said)
	}
	lost := filepath.Join(to.Env.Cache, "images", "pause-image")
	if err := os.RemoveAll(lost); err != nil {
		t.Fatal(err)
	}
	if err := to.PrepareImages(t.Context(), away); err != nil || !strings.Contains(said.String(), "does not help") {
		t.Errorf("an image is missing: %v\n%s", err, said)
	}
	if err := to.PrepareImages(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if names, err := image.Lacking(to.Env); len(names) > 0 || err != nil {
		t.Errorf("lacks %v, %v", names, err)
	}
}

// checkNothingHalfMade fails if a component or an image can be found.
func checkNothingHalfMade(t *testing.T, cache string) {
	t.Helper()
	for _, pattern := range []string{"components/*-*", "components/.building-*", "images/*/*", "images/*/.building-*"} {
		found, err := filepath.Glob(filepath.Join(cache, pattern))
		if err != nil || len(found) > 0 {
			t.Errorf("left %v, %v", found, err)
		}
	}
}

func TestRegistryThatIsAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	reference := strings.TrimPrefix(server.URL, "http://") + "/parts"
	server.Close()
	to, _ := newcomer(t)
	if err := to.Pull(t.Context(), reference, parts.Wanted{}); err == nil || !strings.Contains(err.Error(), "connection refused") ||
		!parts.Unavailable(err) {
		t.Errorf("Pull = %v", err)
	}
	from := newMaker(t)
	if _, err := from.Push(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Push = %v", err)
	}
}

// An interrupted pull goes on with the part that it had not finished.
func TestInterruptedPullGoesOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mutex sync.Mutex
	large := 0
	reference := pushed(t, changeBlobs(func(b []byte) []byte {
		mutex.Lock()
		defer mutex.Unlock()
		if large++; large == 3 {
			cancel()
			return b[:len(b)/2]
		}
		return b
	}))
	to, said := newcomer(t)
	if err := to.Pull(ctx, reference, parts.Wanted{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Pull = %v", err)
	}
	whole, err := filepath.Glob(filepath.Join(to.Env.Cache, "components", "*-*"))
	if err != nil || len(whole) != 2 {
		t.Errorf("there are %v, %v", whole, err)
	}
	if err := to.Pull(t.Context(), reference, parts.Wanted{}); err != nil || !strings.Contains(said.String(), "8 parts") ||
		!strings.Contains(said.String(), "2 were there") {
		t.Errorf("the second pull: %v\n%s", err, said)
	}
	if _, err := components.Locate(to.Env.Cache); err != nil {
		t.Error(err)
	}
}

// Two at once fetch each part once.
func TestTwoPullsAtOnce(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	fetched := map[string]int{}
	reference := pushed(t, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		mutex.Lock()
		defer mutex.Unlock()
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			fetched[r.URL.Path]++
		}
		return false
	})
	to, _ := newcomer(t)
	problems := make([]error, 2)
	var both sync.WaitGroup
	for i := range problems {
		both.Go(func() { problems[i] = to.Pull(t.Context(), reference, parts.Wanted{}) })
	}
	both.Wait()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	if _, err := components.Locate(to.Env.Cache); err != nil {
		t.Error(err)
	}
	twice := 0
	for _, times := range fetched {
		if times > 1 {
			twice++
		}
	}
	if twice > 3 { // inventory, bill of materials, provenance
		t.Errorf("fetched %v", fetched)
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	reference := pushed(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	to, _ := newcomer(t)
	to.Env.Cache = filepath.Join(file, "cache")
	if err := to.Pull(t.Context(), reference, parts.Wanted{}); err == nil || !strings.Contains(err.Error(), "SPARKCHAOS_CACHE") {
		t.Errorf("Pull = %v", err)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	for text, want := range map[string]string{
		"oci://localhost:5000/parts":         "localhost:5000/parts:lock-" + components.LockDigest()[:24],
		"localhost:5000/a/b:tag":             "localhost:5000/a/b:tag",
		"oci://localhost:5000/a/b@" + digest: "localhost:5000/a/b@" + digest,
		"http://localhost/a":                 "error",
		"oci://localhost:5000/UPPER":         "error",
		"":                                   "error",
	} {
		got, err := parts.Reference(text)
		switch {
		case want == "error" && (err == nil || !strings.Contains(err.Error(), "want oci://")):
			t.Errorf("%q: %v, %v", text, got, err)
		case want != "error" && (err != nil || got.String() != want):
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
}
