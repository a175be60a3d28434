package image

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write workloads/jars.sha256 again from what Maven fetches")

const workloadsDir = "../../workloads"

// TestJarsLock checks the list of the checkout. Whether it fits what Maven fetches is checked each time that it does.
func TestJarsLock(t *testing.T) {
	t.Parallel()
	file := filepath.Join(workloadsDir, jarsLock)
	pom, err := os.ReadFile(filepath.Join(workloadsDir, "pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		all, err := copyJars(t.Context(), t.TempDir(), pom)
		if err != nil {
			t.Fatal(err)
		}
		sums, err := sumJars(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, sums.format(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := readJarSums(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(sums.format()), string(data)); diff != "" {
		t.Errorf("%s is not as it would be written (-want +got):\n%s", file, diff)
	}
	version, err := sparkVersion(pom)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spark-core_2.13-", "spark-sql_2.13-", "spark-kubernetes_2.13-"} {
		if _, ok := sums[name+version+".jar"]; !ok {
			t.Errorf("%s lacks %s%s.jar of the pom; %s", file, name, version, jarsLockRenewal)
		}
	}
}

func TestJarsThatAreNotInTheListAreRefused(t *testing.T) {
	t.Parallel()
	list := jarSums{"a.jar": strings.Repeat("a", 64), "b.jar": strings.Repeat("b", 64)}
	for name, tc := range map[string]struct {
		fetched jarSums
		err     []string
	}{
		"the same": {list, nil},
		"a part":   {jarSums{"a.jar": list["a.jar"]}, nil},
		"nothing":  {jarSums{}, nil},
		"other bytes": {jarSums{"a.jar": list["b.jar"], "b.jar": list["b.jar"]},
			[]string{"a.jar", list["a.jar"], list["b.jar"], "make jars-lock"}},
		"one more":          {jarSums{"a.jar": list["a.jar"], "evil.jar": list["a.jar"]}, []string{"evil.jar", "not in the list"}},
		"all that is wrong": {jarSums{"a.jar": list["b.jar"], "b.jar": list["a.jar"]}, []string{"a.jar", "b.jar"}},
	} {
		err := list.check(tc.fetched)
		if (err != nil) != (tc.err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range tc.err {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}

func TestListOfJarsMustBeOne(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0", 64)
	for text, want := range map[string]string{
		"":                                    "line 1",
		sum + " a.jar\n":                      "line 1",
		sum + "  a.jar\n" + sum + "  a.jar\n": "twice",
		sum + "  a.jar\n\n":                   "line 2",
		sum + "  ../a.jar\n":                  "line 1",
		"abc  a.jar\n":                        "line 1",
	} {
		file := filepath.Join(t.TempDir(), jarsLock)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readJarSums(file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "make jars-lock") {
			t.Errorf("%q: %v, want an error with %q and what to do", text, err, want)
		}
	}
	if _, err := readJarSums(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "make jars-lock") {
		t.Errorf("no list: %v", err)
	}
}

// fetchJars itself refuses a jar that is not the list's. Maven is played by a program that "fetches" one.
func TestFetchedJarsAreCompared(t *testing.T) {
	tools := t.TempDir()
	script := "#!/bin/sh\nfor a; do case $a in -DoutputDirectory=*) mkdir -p \"${a#*=}\"; echo evil >\"${a#*=}/a.jar\" ;; esac; done\n"
	if err := os.WriteFile(filepath.Join(tools, "mvn"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	if found, err := exec.LookPath("mvn"); err != nil || filepath.Dir(found) != tools {
		t.Fatalf("mvn is %s, %v", found, err)
	}
	dir := t.TempDir()
	err := fetchJars(context.Background(), dir, project{jars: jarSums{"a.jar": strings.Repeat("0", 64)}})
	if err == nil || !strings.Contains(err.Error(), "a.jar has the SHA-256") {
		t.Errorf("fetchJars = %v, want an error about a.jar", err)
	}
	if exists(filepath.Join(dir, "jars")) {
		t.Error("the jar was kept")
	}
}

func TestMavenIsStrict(t *testing.T) {
	t.Parallel()
	if !slices.Contains(mavenOptions(), "--strict-checksums") {
		t.Errorf("Maven is called with %v: it only warns of wrong checksums", mavenOptions())
	}
}
