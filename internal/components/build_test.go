package components

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hello is a checkout with one component that builds within a second: "hello", also installed as "greet".
type hello struct {
	source, cache string
	components    []Component
}

func newHello(t *testing.T) hello {
	t.Helper()
	// A space and a letter beyond ASCII: any path must do.
	directory := filepath.Join(t.TempDir(), "with space, ü")
	h := hello{source: filepath.Join(directory, "source"), cache: filepath.Join(directory, "cache")}
	h.write(t, "go.mod", "module example.com/hello\n\ngo 1.26.0\n\nrequire example.com/pinned v1.2.3\n")
	h.write(t, "main.go", "package main\n\nvar version string\n\nfunc main() { println(version) }\n")
	h.resolve(t)
	return h
}

func (h *hello) write(t *testing.T, name, text string) {
	t.Helper()
	directory := filepath.Join(modules(h.source), "hello")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// resolve does what "make components-lock" does.
func (h *hello) resolve(t *testing.T) {
	t.Helper()
	components, err := resolve([]Recipe{{
		Name: "hello", Source: "example.com/pinned", Packages: []string{"."},
		LDFlags: []string{"-X main.version={version}"}, Links: []Program{"greet"},
	}}, h.source)
	if err != nil {
		t.Fatal(err)
	}
	h.components = components
}

func (h *hello) build(ctx context.Context, t *testing.T) (progress string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = build(ctx, h.components, Options{Source: h.source, Cache: h.cache, Progress: &out})
	return out.String(), err
}

// leftovers lists the temporary directories in the cache.
func (h *hello) leftovers(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root(h.cache), temporary+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestBuildThenLocate(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	progress, err := h.build(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"component 1 of 1: hello v1.2.3: building\n", "component 1 of 1: hello v1.2.3: built in ", " MB"} {
		if !strings.Contains(progress, want) {
			t.Errorf("progress lacks %q:\n%s", want, progress)
		}
	}
	set, err := locate(h.components, h.cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []Program{"hello", "greet"} {
		output, err := exec.Command(set.Path(program)).CombinedOutput()
		if err != nil || string(output) != "v1.2.3\n" {
			t.Errorf("%s: %v, output %q, want the version from go.mod", program, err, output)
		}
	}
	if diff := cmp.Diff(map[string]string{"hello": "v1.2.3"}, set.Versions()); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if got := set.Path("nobody"); got != "" {
		t.Errorf("path of an unknown program is %q, want none", got)
	}
	if left := h.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	again, err := h.build(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(again, "building") {
		t.Errorf("the second call built again:\n%s", again)
	}
}

func TestABuildCanBeMovedAsADirectory(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	if _, err := h.build(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(h.components[0].Bin(h.cache), elsewhere); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command(filepath.Join(elsewhere, "greet")).CombinedOutput(); err != nil {
		t.Errorf("the link does not work elsewhere: %v %s", err, output)
	}
}

func TestConcurrentBuildsAreSerialised(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	const builders = 4
	var group sync.WaitGroup
	outputs, problems := make([]string, builders), make([]error, builders)
	for i := range builders {
		group.Go(func() { outputs[i], problems[i] = h.build(t.Context(), t) })
	}
	group.Wait()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	if built := strings.Count(strings.Join(outputs, ""), "built in"); built != 1 {
		t.Errorf("%d of %d builders built, want one:\n%s", built, builders, strings.Join(outputs, "---\n"))
	}
	if _, err := locate(h.components, h.cache); err != nil {
		t.Error(err)
	}
}

// lineSignal is a writer that announces when a text was written to it.
type lineSignal struct {
	text string
	seen chan string
}

func (l lineSignal) Write(data []byte) (int, error) {
	if strings.Contains(string(data), l.text) {
		l.seen <- string(data)
	}
	return len(data), nil
}

func TestAWaitingBuilderSaysForWhomAndGoesOn(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	if err := os.MkdirAll(root(h.cache), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := acquire(t.Context(), filepath.Join(root(h.cache), ".lock"), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	waiting := lineSignal{text: "waits for process", seen: make(chan string, 1)}
	done := make(chan error, 1)
	go func() {
		done <- build(t.Context(), h.components, Options{Source: h.source, Cache: h.cache, Progress: waiting})
	}()
	select {
	case <-waiting.seen:
	case err := <-done:
		t.Fatalf("the build did not wait: %v", err)
	}
	lock.release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := locate(h.components, h.cache); err != nil {
		t.Error(err)
	}
}

func TestWaitingCanBeInterrupted(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	if err := os.MkdirAll(root(h.cache), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := acquire(t.Context(), filepath.Join(root(h.cache), ".lock"), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.release()
	ctx, cancel := context.WithCancel(t.Context())
	waiting := lineSignal{text: "waits for process", seen: make(chan string, 1)}
	done := make(chan error, 1)
	go func() {
		done <- build(ctx, h.components, Options{Source: h.source, Cache: h.cache, Progress: waiting})
	}()
	<-waiting.seen
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("build = %v, want context.Canceled", err)
	}
}

func TestDamageIsNoticedAndMended(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	if _, err := h.build(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(h.components[0].Bin(h.cache), "greet")); err != nil {
		t.Fatal(err)
	}
	if _, err := locate(h.components, h.cache); err == nil ||
		!strings.Contains(err.Error(), "hello v1.2.3 is damaged: no executable greet in ") {
		t.Errorf("locate = %v, want the damage named", err)
	}
	if _, err := h.build(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	if _, err := locate(h.components, h.cache); err != nil {
		t.Error(err)
	}
}

func TestLocateNamesWhatIsMissingAndTheCommand(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	_, err := Locate(cache)
	if err == nil {
		t.Fatal("an empty cache has everything")
	}
	wants := []string{"sparkchaos setup"}
	for _, recipe := range Recipes() {
		if recipe.OnDemand {
			if strings.Contains(err.Error(), recipe.Name) {
				t.Errorf("no cluster needs %s, but it is called missing:\n%v", recipe.Name, err)
			}
			continue
		}
		wants = append(wants, recipe.Name+" v", filepath.Join(cache, "components", recipe.Name+"-v"))
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestWhatIsBuiltOnDemand(t *testing.T) {
	t.Parallel()
	all := []Component{{Recipe: Recipe{Name: "a"}}, {Recipe: Recipe{Name: "b", OnDemand: true}}}
	for _, tc := range []struct{ names, want []string }{
		{nil, []string{"a"}},
		{[]string{"b"}, []string{"b"}},
		{[]string{"b", "a"}, []string{"a", "b"}},
	} {
		chosen, err := choose(all, tc.names)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, component := range chosen {
			got = append(got, component.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("chosen of %q (-want +got):\n%s", tc.names, diff)
		}
	}
	if _, err := LocateOnDemand(t.TempDir(), VersityGW); err == nil ||
		!strings.Contains(err.Error(), "sparkchaos components build versitygw") {
		t.Errorf("LocateOnDemand in an empty cache = %v, want how to build it", err)
	}
	if _, err := LocateOnDemand(t.TempDir(), Kubectl); err == nil || !strings.Contains(err.Error(), `"kubectl"`) {
		t.Errorf("LocateOnDemand of a cluster's program = %v, want an error", err)
	}
}

func TestAChangedCheckoutIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, text, want string
	}{
		"other files": {file: "main.go", text: "package main\n\nfunc main() {}\n", want: "files in components/hello or its recipe changed"},
		"other version": {file: "go.mod", text: "module example.com/hello\n\ngo 1.26.0\n\nrequire example.com/pinned v1.3.0\n",
			want: "the checkout pins v1.3.0, this binary was made for v1.2.3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHello(t)
			h.write(t, test.file, test.text)
			if _, err := h.build(t.Context(), t); err == nil || !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), "make components-lock") {
				t.Errorf("build = %v, want an error with %q that names make components-lock", err, test.want)
			}
		})
	}
}

func TestCompileErrorsAreShownAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	h.write(t, "main.go", "package main\n\nfunc main() { undefinedName() }\n")
	h.resolve(t)
	_, err := h.build(t.Context(), t)
	if err == nil || !strings.Contains(err.Error(), "undefined: undefinedName") {
		t.Errorf("build = %v, want the compiler's message", err)
	}
	if left := h.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := locate(h.components, h.cache); err == nil {
		t.Error("a build that failed is found")
	}
}

func TestUnknownNamesAreRefusedTogether(t *testing.T) {
	t.Parallel()
	err := Build(t.Context(), Options{Source: checkout, Cache: t.TempDir(), Only: []string{"runc", "docker", "kubelet"}})
	if err == nil {
		t.Fatal("unknown components were accepted")
	}
	for _, want := range []string{`no component "docker"`, `no component "kubelet"`,
		"runc, cni, containerd, coredns, kubernetes, versitygw, cri-tools, kubeadm, chaos-mesh and spark-operator"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestFindSource(t *testing.T) {
	t.Parallel()
	want, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	// From a nested module too: that has a go.mod of its own.
	for _, from := range []string{".", checkout, filepath.Join(checkout, "components", "kubernetes")} {
		if got, err := FindSource(from); err != nil || got != want {
			t.Errorf("FindSource(%q) = %q, %v, want %q", from, got, err, want)
		}
	}
	if _, err := FindSource(t.TempDir()); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("outside a checkout: %v, want an error that names --source", err)
	}
}
