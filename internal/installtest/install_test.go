// Package installtest installs sparkchaos as a user does who has no checkout: by the go command, from a module proxy, into an empty home.
package installtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	modulePath = "github.com/sparkchaos/sparkchaos"
	version    = "v0.0.1"
	checkout   = "../.."
	// enabled is set where the tests may take minutes and start a cluster.
	enabled = "SPARKCHAOS_INSTALL_TESTS"
)

// proxy writes a module proxy that serves the checkout as a version, and returns its address.
func proxy(t *testing.T) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "proxy")
	versions := filepath.Join(directory, filepath.FromSlash(modulePath), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.CreateFromDir(archive, module.Version{Path: modulePath, Version: version}, tracked(t)); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Unix(0, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{version + ".mod": mod, version + ".info": info, "list": []byte(version + "\n")} {
		if err := os.WriteFile(filepath.Join(versions, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + directory
}

// tracked returns a directory with a copy of the files of the checkout that git knows.
func tracked(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	list := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	list.Dir = checkout
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(checkout, name))
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func ask(t *testing.T, variable string) string {
	t.Helper()
	value, err := exec.Command("go", "env", variable).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}

// The words of the README: go install, setup, run. What was built before is in the cache, where it has the same keys.
func TestInstalledFromAModuleProxy(t *testing.T) {
	if os.Getenv(enabled) == "" {
		t.Skip("it takes minutes, and starts a cluster, which needs root: set " + enabled + "=1, or call make test-install")
	}
	home, work := t.TempDir(), t.TempDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if chosen := os.Getenv("SPARKCHAOS_CACHE"); chosen != "" {
		cache = chosen
	} else {
		cache = filepath.Join(cache, "sparkchaos")
	}
	downloads := "file://" + filepath.Join(ask(t, "GOMODCACHE"), "cache", "download")
	environment := append(os.Environ(),
		"HOME="+home, "XDG_CACHE_HOME=", "XDG_STATE_HOME=", "SPARKCHAOS_STATE="+filepath.Join(home, "state"), "SPARKCHAOS_CACHE="+cache,
		"GOPATH="+filepath.Join(home, "go"), "GOMODCACHE="+filepath.Join(home, "go", "pkg", "mod"), "GOBIN="+filepath.Join(home, "bin"),
		"GOCACHE="+ask(t, "GOCACHE"), "GOPROXY="+proxy(t)+","+downloads+","+ask(t, "GOPROXY"), "GONOSUMDB="+modulePath, "GOFLAGS=-modcacherw",
		"GOWORK=off",
	)
	call := func(name string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir, command.Env = work, environment
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, &out
		begun := time.Now()
		err := command.Run()
		t.Logf("%s %s: %s", filepath.Base(name), strings.Join(args, " "), time.Since(begun).Round(time.Second))
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out.String())
		}
		return out.String()
	}
	call("go", "install", modulePath+"/cmd/sparkchaos@latest")
	program := filepath.Join(home, "bin", "sparkchaos")
	if said := call(program, "version"); !strings.Contains(said, version) {
		t.Errorf("the version is not %s:\n%s", version, said)
	}
	call(program, "setup", "--packages=false")
	name := fmt.Sprintf("install-%d", os.Getpid())
	if said := call(program, "run", "driver-node-power-off", "--cluster-name", name); !strings.Contains(said, "PASS") {
		t.Errorf("no PASS:\n%s", said)
	}
	if said := call(program, "advise", filepath.Join(work, "runs", "latest")); !strings.Contains(said, "detection") {
		t.Errorf("advise says nothing of the detection:\n%s", said)
	}
}
