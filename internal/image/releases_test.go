package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/semver"
)

func TestReleasesAreOfEachSupportedLineAndSorted(t *testing.T) {
	t.Parallel()
	all, err := releases()
	if err != nil {
		t.Fatal(err)
	}
	versions := Releases()
	if len(versions) != len(all) || !slices.IsSortedFunc(versions, func(a, b string) int { return semver.Compare("v"+a, "v"+b) }) {
		t.Errorf("releases %v, want them sorted", versions)
	}
	for _, line := range []string{"3.4.", "3.5.", "4.0.", "4.1.", "4.2.", "4.3."} {
		if !slices.ContainsFunc(versions, func(v string) bool { return strings.HasPrefix(v, line) }) {
			t.Errorf("no release of the line %s is known", line)
		}
	}
	p, err := readProject(filepath.Join("..", "..", "workloads"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := findRelease(p.sparkVersion); err != nil {
		t.Errorf("the default version has no Python part: %v", err)
	}
}

func TestAnUnknownReleaseIsRefused(t *testing.T) {
	t.Parallel()
	_, err := findRelease("3.5.1")
	if err == nil || !strings.Contains(err.Error(), "make spark-release VERSION=3.5.1") || !strings.Contains(err.Error(), "3.5.9") {
		t.Errorf("error %v", err)
	}
}

// archiveOf writes files as a gzipped tar.
func archiveOf(t *testing.T, files map[string]string) string {
	t.Helper()
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	tw := tar.NewWriter(zip)
	for name, content := range sorted(files) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pyspark.tar.gz")
	if err := os.WriteFile(file, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestUnpackReleaseTakesWhatAnImageNeeds(t *testing.T) {
	t.Parallel()
	archive := archiveOf(t, map[string]string{
		"pyspark-4/deps/jars/spark-core.jar": "jar", "pyspark-4/deps/jars/../../../../evil.jar": "x", "pyspark-4/deps/jars/README": "x",
		"pyspark-4/lib/py4j-src.zip": "zip", "pyspark-4/lib/pyspark.zip": "zip", "pyspark-4/setup.py": "x",
	})
	for _, tt := range []struct {
		jars bool
		want []string
	}{
		{true, []string{"all/spark-core.jar", "python/py4j-src.zip", "python/pyspark.zip"}},
		{false, []string{"python/py4j-src.zip", "python/pyspark.zip"}},
	} {
		dir := t.TempDir()
		if err := unpackRelease(archive, dir, tt.jars); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, pattern := range []string{"*/*", "../*.jar"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				rel, err := filepath.Rel(dir, f)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, rel)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
	if err := unpackRelease(archiveOf(t, map[string]string{"else/x": "y"}), t.TempDir(), true); err == nil ||
		!strings.Contains(err.Error(), "holds no Spark") {
		t.Errorf("error %v", err)
	}
}

func TestPruneTreeKeepsPythonAndItsLibraries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, f := range []string{"usr/bin/python3.11", "usr/bin/perl", "usr/lib/python3.11/os.py", "usr/lib/x/libexpat.so.1.8",
		"usr/lib/x/libother.so", "var/lib/dpkg/status"} {
		name := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("libexpat.so.1.8", filepath.Join(root, "usr/lib/x/libexpat.so.1")); err != nil {
		t.Fatal(err)
	}
	links, err := linksTo(root, filepath.Join(root, "usr/lib/x/libexpat.so.1.8"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pruneTree(root, append(links, "usr/bin/python3.11", "usr/lib/python3.11")); err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := tree(".", root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.mode.IsDir() {
			got = append(got, e.path)
		}
	}
	want := []string{"usr/bin/python3.11", "usr/lib/python3.11/os.py", "usr/lib/x/libexpat.so.1", "usr/lib/x/libexpat.so.1.8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestVariantsOfSpark(t *testing.T) {
	t.Parallel()
	b := sparkBuild{project: project{sparkVersion: "4.1.0"}}
	for _, tt := range []struct {
		variant                    SparkVariant
		name, reference, arguments string
		kind                       string
	}{
		{SparkVariant{}, "spark", "docker.io/sparkchaos/spark:4.1.0", "spark", "spark-jars"},
		{SparkVariant{Python: true}, "spark-python", "docker.io/sparkchaos/spark:4.1.0-python", "spark --python", "spark-jars"},
		{SparkVariant{Version: "3.5.9"}, "spark-3.5.9", "docker.io/sparkchaos/spark:3.5.9", "spark --spark 3.5.9", "spark-3.5.9-jars"},
		{SparkVariant{Version: "3.5.9", Python: true}, "spark-3.5.9-python", "docker.io/sparkchaos/spark:3.5.9-python",
			"spark --spark 3.5.9 --python", "spark-3.5.9-jars"},
	} {
		if tt.variant.name() != tt.name || tt.variant.Arguments() != tt.arguments {
			t.Errorf("%+v is called %s, made by %s", tt.variant, tt.variant.name(), tt.variant.Arguments())
		}
		b.variant = tt.variant
		if b.variant.Version == "" {
			b.variant.Version = "4.1.0"
		}
		if got := SparkReference(b.variant); got != tt.reference || b.kind("jars") != tt.kind {
			t.Errorf("%+v has the reference %s and the stage %s", tt.variant, got, b.kind("jars"))
		}
		_, err := tt.variant.Build(t.Context(), Env{Cache: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), `"sparkchaos image build `+tt.arguments+`"`) {
			t.Errorf("%+v without a checkout: %v", tt.variant, err)
		}
	}
}
