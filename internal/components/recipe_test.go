package components

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write components.lock again")

// checkout is the root of the checkout, seen from this package's directory.
const checkout = "../.."

func TestLockIsCurrent(t *testing.T) {
	components, err := resolve(Recipes(), checkout)
	if err != nil {
		t.Fatal(err)
	}
	want, err := formatLock(components)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := packModules(os.DirFS(checkout))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := errors.Join(os.WriteFile("components.lock", want, 0o644), os.WriteFile("modules.txtar", modules, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(modules, embeddedModules) {
		t.Errorf("modules.txtar is not current, %s", renewal)
	}
	if diff := cmp.Diff(string(want), embeddedLock); diff != "" {
		t.Errorf("components.lock is not current, %s (-want +got):\n%s", renewal, diff)
	}
}

func TestRecipesHoldTogether(t *testing.T) {
	t.Parallel()
	all := []Program{
		Runc, HostLocal, Loopback, PTP, PortMap, Containerd, ContainerdShim, CTR, CoreDNS,
		Kubernetes, Etcd, KubeAPIServer, KubeControllerManager, KubeScheduler, Kubelet, KubeProxy, Kubectl,
		VersityGW, Crictl, Kubeadm, ChaosControllerManager, ChaosDaemon, SparkOperator,
	}
	var installed []Program
	for _, recipe := range Recipes() {
		installed = append(installed, recipe.Programs()...)
	}
	slices.Sort(all)
	slices.Sort(installed)
	if diff := cmp.Diff(all, installed); diff != "" {
		t.Errorf("each program must be installed by exactly one component (-declared +installed):\n%s", diff)
	}
}

// Each package of a recipe must be one that the nested module pins by a tool directive, or its own.
func TestRecipesBuildWhatTheModulesPin(t *testing.T) {
	t.Parallel()
	for _, recipe := range Recipes() {
		data, err := os.ReadFile(filepath.Join(modules(checkout), recipe.Name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range recipe.Packages {
			if pkg == "." {
				if _, err := os.Stat(filepath.Join(modules(checkout), recipe.Name, "main.go")); err != nil {
					t.Errorf("%s: %v", recipe.Name, err)
				}
				continue
			}
			if !slices.Contains(strings.Fields(string(data)), pkg) {
				t.Errorf("%s: go.mod has no tool directive for %s", recipe.Name, pkg)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	recipe := Recipe{
		Name: "demo", Packages: []string{".", "example.com/x/cmd/y"}, Tags: []string{"a", "b"},
		LDFlags: []string{"-s", "-X p.v={version}", "-X p.n={major}.{minor}"},
	}
	want := []string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", "a,b", "-ldflags", "-s -X p.v=v1.36.3 -X p.n=1.36",
		".", "example.com/x/cmd/y"}
	if diff := cmp.Diff(want, recipe.arguments("v1.36.3")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Program{"demo", "y"}, recipe.Binaries()); diff != "" {
		t.Errorf("binaries (-want +got):\n%s", diff)
	}
}

func TestLockRoundTrip(t *testing.T) {
	t.Parallel()
	components, err := Components()
	if err != nil {
		t.Fatal(err)
	}
	data, err := formatLock(components)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseLock(Recipes(), data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(components, again); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestBadLocksAreRefusedWithAllProblems(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("0a", 32)
	tests := map[string]struct {
		lock string
		want []string
	}{
		"no JSON": {lock: "nonsense", want: []string{"components.lock", "make components-lock"}},
		"empty":   {lock: "[]", want: []string{`"a" is missing`, `"b" is missing`}},
		"twice": {lock: `[{"name":"a","version":"v1","key":"` + key + `"},{"name":"a","version":"v1","key":"` + key + `"}]`,
			want: []string{`"a" stands in it twice`, `"b" is missing`}},
		"unknown":      {lock: `[{"name":"c","version":"v1","key":"` + key + `"}]`, want: []string{`"c" is no component`, `"a" is missing`}},
		"short key":    {lock: `[{"name":"a","version":"v1","key":"0a"}]`, want: []string{`"a" has version "v1" and key "0a"`}},
		"no version":   {lock: `[{"name":"a","version":"../v1","key":"` + key + `"}]`, want: []string{`"a" has version "../v1"`}},
		"upward paths": {lock: `[{"name":"a","version":"v1","key":"../../` + key[6:] + `"}]`, want: []string{`want a version and a SHA-256`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseLock([]Recipe{{Name: "a"}, {Name: "b"}}, []byte(test.lock))
			if err == nil {
				t.Fatal("parseLock accepted it")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(embeddedLock))
	f.Add([]byte(`[{"name":"runc"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		components, err := parseLock(Recipes(), data)
		if err != nil {
			return
		}
		// An accepted component can be used for paths, and is written as it was read.
		for _, component := range components {
			if got := filepath.Dir(component.Directory("/cache")); got != "/cache/components" {
				t.Errorf("%q leads out of the cache, to %s", component, got)
			}
		}
		written, err := formatLock(components)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseLock(Recipes(), written)
		if err != nil {
			t.Fatal(err)
		}
		rewritten, err := formatLock(again)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written, rewritten) {
			t.Errorf("read and written again, the lock differs:\n%s", cmp.Diff(string(written), string(rewritten)))
		}
	})
}
