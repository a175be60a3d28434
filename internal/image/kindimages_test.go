package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolveInStaysInTheTree(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{
		"usr/lib/ld.so": "loader", "lib": "-> usr/lib", "usr/lib64/ld-linux.so": "-> /lib/ld.so", "lib64": "-> usr/lib64",
		"up": "-> ../../../../usr/lib/ld.so", "loop": "-> loop", "dangling": "-> /nowhere", "chain": "-> up",
	})
	for name, want := range map[string]string{
		"/usr/lib/ld.so": "usr/lib/ld.so", "/lib64/ld-linux.so": "usr/lib/ld.so", "up": "usr/lib/ld.so", "chain": "usr/lib/ld.so",
		"/": "", "loop": "error", "dangling": "error", "nothing": "error",
	} {
		got, err := resolveIn(root, name)
		if want == "error" {
			if err == nil {
				t.Errorf("%s: no error but %s", name, got)
			}
			continue
		}
		if diff := cmp.Diff(filepath.Join(root, want), got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// A tree that holds a dynamic program of this machine with its libraries, all behind links as Debian has them.
func TestTreeClosure(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	files, err := closure([]string{shell}, nil, t.TempDir())
	if err != nil || len(files) == 0 {
		t.Skipf("the shell needs no libraries: %v", err)
	}
	root := t.TempDir()
	var want []string
	for _, f := range append(files, hostFile{path: "usr/sbin/tool", source: shell, perm: 0o755}) {
		data, err := os.ReadFile(f.source)
		if err != nil {
			t.Fatal(err)
		}
		hidden := filepath.Join(root, "real", f.path)
		link := filepath.Join(root, f.path)
		for _, dir := range []string{filepath.Dir(hidden), filepath.Dir(link)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(hidden, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/real/"+f.path, link); err != nil {
			t.Fatal(err)
		}
		want = append(want, f.path)
	}
	got, err := treeClosure(root, []string{"/usr/sbin/tool"})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range got {
		found[f.path] = true
		if want := filepath.Join(root, "real", f.path); f.source != want {
			t.Errorf("%s is taken from %s, want %s", f.path, f.source, want)
		}
	}
	for _, w := range want {
		// The loader is a library of the C library, too; one place of it is enough.
		if !found[w] && !strings.HasPrefix(filepath.Base(w), "ld-") {
			t.Errorf("%s is missing in %v", w, got)
		}
	}

	for _, f := range files {
		if err := os.Remove(filepath.Join(root, f.path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, object := range []string{"/usr/sbin/tool", "/usr/sbin/nothing"} {
		if _, err := treeClosure(root, []string{object}); err == nil || !strings.Contains(err.Error(), object) {
			t.Errorf("error %v, want it to name %s", err, object)
		}
	}
}

func TestProxyToolsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := proxyTools(t.TempDir()); err == nil || !strings.Contains(err.Error(), "usr/lib/*/xtables") {
		t.Errorf("error %v, want it to name the extensions of iptables", err)
	}
}
