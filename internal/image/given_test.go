package image

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layerOf makes a layer of files; a value that begins with "->" is a symbolic link.
func layerOf(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	tw := tar.NewWriter(&data)
	for name, content := range sorted(files) {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if target, link := strings.CutPrefix(content, "->"); link {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, target, 0, ""
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(data.Bytes(), types.OCIUncompressedLayer)
}

// sparkFiles are those of an image of Spark with Python.
func sparkFiles() map[string]string {
	return map[string]string{
		"opt/spark/jars/spark-core_2.13-4.1.0.jar": "", "opt/spark/jars/spark-kubernetes_2.13-4.1.0.jar": "",
		"opt/spark/jars/spark-hive-thriftserver_2.13-4.1.0.jar": "", "opt/spark/python/lib/pyspark.zip": "",
		"opt/java/bin/java": "", "usr/bin/python3.11": "", "usr/bin/python3": "->python3.11", "opt/app/etl.py": "", "app": "->/opt/app",
	}
}

// imageOf makes an image of layers, the lowest first.
func imageOf(t *testing.T, change func(*v1.ConfigFile), layers ...map[string]string) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		var err error
		if img, err = mutate.AppendLayers(img, layerOf(t, files)); err != nil {
			t.Fatal(err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/opt/entrypoint.sh"}, Env: []string{"JAVA_HOME=/opt/java", "PATH=/usr/bin:/bin"}}
	if change != nil {
		change(config)
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// tarOf writes an image as an archive that has both kinds of index, without the files that are named.
func tarOf(t *testing.T, img v1.Image, without ...string) []byte {
	t.Helper()
	return tarOfAll(t, []namedImage{{"docker.io/team/app:1", img}}, without...)
}

func tarOfAll(t *testing.T, images []namedImage, without ...string) []byte {
	t.Helper()
	var whole bytes.Buffer
	if err := writeImages(&whole, images...); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	tw := tar.NewWriter(&data)
	for tr := tar.NewReader(&whole); ; {
		h, err := tr.Next()
		if err != nil {
			break
		}
		if slices.Contains(without, h.Name) {
			continue
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(tr).WriteTo(tw); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

// layerPath returns where the layer of an archive with one lies.
func layerPath(t *testing.T, data []byte) string {
	t.Helper()
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil || len(manifest) != 1 || len(manifest[0].Layers) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	return manifest[0].Layers[0]
}

func fileOf(t *testing.T, name string, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // opened for reading only
	return f
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGivenArchivesGetANameOfTheirOwn(t *testing.T) {
	t.Parallel()
	img := imageOf(t, nil, sparkFiles())
	for name, data := range map[string][]byte{
		"docker.tar": tarOf(t, img, "index.json", "oci-layout"), "docker25.tar": tarOf(t, img), "layout.tar": tarOf(t, img, "manifest.json"),
		"docker.tar.gz": gzipped(t, tarOf(t, img, "index.json")), "layout.tgz": gzipped(t, tarOf(t, img, "manifest.json")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := Env{Cache: t.TempDir()}
			app := Application{Python: true, SQL: true, Inside: []string{"/app/etl.py"}}
			archive, err := Given(t.Context(), env, fileOf(t, name, data), app)
			if err != nil {
				t.Fatal(err)
			}
			digest := sha256.Sum256(data)
			want := archive
			want.Reference = fmt.Sprintf("docker.io/team/app:1-%x", digest[:6])
			if diff := cmp.Diff(want, archive); diff != "" || archive.Digest == "" {
				t.Errorf("archive (-want +got):\n%s", diff)
			}
			names := namesIn(t, archive.Path)
			if diff := cmp.Diff([]string{archive.Reference, archive.Reference}, names); diff != "" { // of both kinds of index
				t.Errorf("names of the image (-want +got):\n%s", diff)
			}
			again, err := Given(t.Context(), env, fileOf(t, name, data), Application{})
			if err != nil || again != archive {
				t.Errorf("again it is %+v, %v", again, err)
			}
		})
	}
}

func TestGivenReference(t *testing.T) {
	t.Parallel()
	const digest = "0123456789abcdef"
	for own, want := range map[string]string{
		"example.com/team/billing:1.0": "example.com/team/billing:1.0-0123456789ab",
		"localhost:5000/billing":       "localhost:5000/billing:latest-0123456789ab",
		"billing:1.0":                  "docker.io/library/billing:1.0-0123456789ab",
		"team/billing:1.0":             "docker.io/team/billing:1.0-0123456789ab",
		"":                             "docker.io/sparkchaos/given:0123456789ab",
		"NOT A NAME":                   "docker.io/sparkchaos/given:0123456789ab",
		"example.com/billing:" + strings.Repeat("1", 128): "example.com/billing:" + strings.Repeat("1", 115) + "-0123456789ab",
	} {
		if got := givenReference(own, digest); got != want {
			t.Errorf("%q becomes %q, want %q", own, got, want)
		}
	}
}

// namesIn returns the names that importers find in an archive.
func namesIn(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	var names []string
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err != nil {
			return names
		}
		switch h.Name {
		case "manifest.json":
			var images []dockerManifest
			if err := json.NewDecoder(tr).Decode(&images); err != nil {
				t.Fatal(err)
			}
			for _, i := range images {
				names = append(names, i.RepoTags...)
			}
		case "index.json":
			var index v1.IndexManifest
			if err := json.NewDecoder(tr).Decode(&index); err != nil {
				t.Fatal(err)
			}
			for _, d := range index.Manifests {
				names = append(names, d.Annotations[annotationContainerdName])
			}
		}
	}
}

func TestPythonOfGivenImages(t *testing.T) {
	t.Parallel()
	l := look{env: map[string]string{"PATH": "/usr/bin", "PYSPARK_PYTHON": "/nowhere/python"}, tree: sparkFiles()}
	l.tree["usr/bin/python3"] = "/usr/bin/python3.11" // a tree has the targets of links
	for _, interpreter := range []string{"python3", "python3.11", "/usr/bin/python3", "./env/bin/python"} {
		if err := l.interpreter(Application{Interpreter: interpreter}); err != nil {
			t.Errorf("%s: %v", interpreter, err)
		}
	}
}

// withEnv adds variables to an image's configuration.
func withEnv(variables ...string) func(*v1.ConfigFile) {
	return func(c *v1.ConfigFile) { c.Config.Env = append(c.Config.Env, variables...) }
}

func TestGivenImagesThatCannotRunTheApplication(t *testing.T) {
	t.Parallel()
	type layers = []map[string]string
	without := func(names ...string) layers {
		files := sparkFiles()
		for _, name := range names {
			delete(files, name)
		}
		return layers{files}
	}
	python := Application{Python: true}
	for name, tt := range map[string]struct {
		layers layers // of Spark, if there are none
		change func(*v1.ConfigFile)
		app    Application
		want   []string // parts of the message
	}{
		"another machine": {
			change: func(c *v1.ConfigFile) { c.Architecture = "s390x" },
			want:   []string{"is for linux/s390x", "docker build --platform " + machinePlatform()},
		},
		"no Spark":        {layers: layers{{"opt/java/bin/java": ""}}, want: []string{"it holds no Spark", "/opt/spark/jars", "SPARK_HOME"}},
		"Spark elsewhere": {change: withEnv("SPARK_HOME=/usr/spark"), want: []string{"no spark-core jar in /usr/spark/jars"}},
		"Spark removed by a layer above": {
			layers: append(without(), map[string]string{"opt/spark/.wh.jars": ""}), want: []string{"it holds no Spark"},
		},
		"a directory emptied by a layer above": {
			layers: append(without(), map[string]string{"opt/spark/jars/.wh..wh..opq": ""}), want: []string{"it holds no Spark"},
		},
		"old Spark": {
			layers: layers{{"opt/spark/jars/spark-core_2.12-3.3.2.jar": "", "opt/spark/jars/spark-kubernetes_2.12-3.3.2.jar": ""}},
			want:   []string{"its Spark is 3.3.2, too old: build it on Spark 3.4 or newer"},
		},
		"no Kubernetes": {layers: without("opt/spark/jars/spark-kubernetes_2.13-4.1.0.jar"), want: []string{"cannot run on Kubernetes"}},
		"no Java":       {layers: without("opt/java/bin/java"), want: []string{"it has no Java", "/opt/java"}},
		"no entry point": {
			change: func(c *v1.ConfigFile) { c.Config.Entrypoint = nil }, want: []string{"it has no entry point", "set ENTRYPOINT"},
		},
		"no Python": {
			layers: without("usr/bin/python3.11"), app: python, want: []string{"it has no Python", "there is no python3", "spark.pyspark.python"},
		},
		"no Python where the image says": {
			change: withEnv("PYSPARK_PYTHON=/opt/env/bin/python"), app: python, want: []string{"there is no /opt/env/bin/python"},
		},
		"no Python that the scenario names": {app: Application{Python: true, Interpreter: "python3.9"}, want: []string{"there is no python3.9"}},
		"no PySpark": {
			layers: without("opt/spark/python/lib/pyspark.zip"), app: python, want: []string{"it has no PySpark"},
		},
		"no R": {app: Application{R: true}, want: []string{"it has no R"}},
		"no spark-sql": {
			layers: without("opt/spark/jars/spark-hive-thriftserver_2.13-4.1.0.jar"), app: Application{SQL: true},
			want: []string{"it has no spark-sql"},
		},
		"no main file": {
			app: Application{Inside: []string{"/opt/app/other.py"}}, want: []string{"/opt/app/other.py is not in it", "spec.workload.application"},
		},
		"a jar for another Scala in it": {
			layers: append(without(), map[string]string{"opt/app/etl.jar": string(jarOf(t, "scala/collection/mutable/WrappedArray"))}),
			app:    Application{Inside: []string{"/app/etl.jar"}},
			want:   []string{"/app/etl.jar is compiled for Scala 2.12, and the image's Spark is one of Scala 2.13"},
		},
		"a jar for another Scala beside it": {
			app:  Application{Beside: map[string]*os.File{"lib.jar": fileOf(t, "lib.jar", jarOf(t, "scala/Serializable"))}},
			want: []string{"lib.jar is compiled for Scala 2.12, and the image's Spark is one of Scala 2.13"},
		},
		"a jar that is none": {
			app:  Application{Beside: map[string]*os.File{"lib.jar": fileOf(t, "lib.jar", []byte("x"))}},
			want: []string{"lib.jar: it is no jar"},
		},
		"all together": {layers: layers{{"etc/hosts": ""}}, app: python, want: []string{"no Spark", "no Java", "no Python", "no PySpark"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.layers == nil {
				tt.layers = without()
			}
			file := fileOf(t, "app.tar", tarOf(t, imageOf(t, tt.change, tt.layers...)))
			_, err := Given(t.Context(), Env{Cache: t.TempDir()}, file, tt.app)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(tt.want, "app.tar") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q in it", err, want)
				}
			}
		})
	}
}

// sparkFor is an image of Spark for another machine.
func sparkFor(t *testing.T, architecture string) v1.Image {
	t.Helper()
	return imageOf(t, func(c *v1.ConfigFile) { c.Architecture = architecture }, sparkFiles())
}

// indexOf writes an OCI image layout with an index of images for several machines in it.
func indexOf(t *testing.T, images map[string]v1.Image) []byte {
	t.Helper()
	inner := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for architecture, img := range sorted(images) {
		platform := v1.Platform{OS: "linux", Architecture: architecture}
		if architecture == "unknown" {
			platform.OS = architecture
		}
		inner = mutate.AppendManifests(inner, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	dir := t.TempDir()
	written, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = written.AppendIndex(inner, layout.WithAnnotations(map[string]string{annotationRefName: "example.com/team/app:1"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	tw := tar.NewWriter(&data)
	if err := errors.Join(tw.AddFS(os.DirFS(dir)), tw.Close()); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestGivenImagesForSeveralMachines(t *testing.T) {
	t.Parallel()
	other := sparkFor(t, "s390x")
	data := indexOf(t, map[string]v1.Image{"s390x": other, runtime.GOARCH: imageOf(t, nil, sparkFiles()), "unknown": sparkFor(t, "unknown")})
	archive, err := Given(t.Context(), Env{Cache: t.TempDir()}, fileOf(t, "app.tar", data), Application{})
	if err != nil || !strings.HasPrefix(archive.Reference, "example.com/team/app:1-") {
		t.Errorf("%+v, %v", archive, err)
	}
	data = indexOf(t, map[string]v1.Image{"s390x": other})
	_, err = Given(t.Context(), Env{Cache: t.TempDir()}, fileOf(t, "app.tar", data), Application{})
	want := "it holds 0 images for " + machinePlatform() + ", want one; one is for linux/s390x"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
}

func TestGivenFilesThatAreNoImages(t *testing.T) {
	t.Parallel()
	whole := tarOf(t, imageOf(t, nil, sparkFiles()), "index.json")
	two := []namedImage{{"docker.io/a/a:1", imageOf(t, nil, sparkFiles())}, {"docker.io/b/b:1", imageOf(t, nil, map[string]string{"b": ""})}}
	tellsBoth := "it holds 2 images for " + machinePlatform() + " (docker.io/a/a:1, docker.io/b/b:1), want one"
	damaged := gzipped(t, whole)
	damaged[len(damaged)-8] ^= 1 // of the checksum
	noLayer := tarOf(t, imageOf(t, nil, sparkFiles()), "manifest.json", layerPath(t, whole))
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"text":                   {bytes.Repeat([]byte("no tar at all "), 100), "it is no tar"},
		"nothing":                {nil, "it holds no image"},
		"a word":                 {[]byte("word"), "it is no tar"},
		"a zip":                  {jarOf(t, strings.Repeat("a", 1000)), "docker save NAME:TAG"},
		"another tar":            {tarOf(t, imageOf(t, nil, sparkFiles()), "index.json", "manifest.json"), "it holds no image"},
		"not whole":              {whole[:len(whole)/2], "it is not whole, it ends too early"},
		"half of gzip":           {gzipped(t, whole)[:200], "it is not whole, it ends too early"},
		"damaged gzip":           {damaged, "it is no tar, or a damaged one"},
		"a layout without layer": {noLayer, "it is not whole, a part of the image is missing"},
		"two images":             {tarOfAll(t, two, "index.json"), tellsBoth},
		"two images in a layout": {tarOfAll(t, two), tellsBoth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Given(t.Context(), Env{Cache: t.TempDir()}, fileOf(t, "app.tar", tt.data), Application{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// classOf makes the beginning of a class file that refers to names.
func classOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var data bytes.Buffer
	put := func(values ...any) {
		for _, value := range values {
			if err := binary.Write(&data, binary.BigEndian, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(uint32(0xcafebabe), uint16(0), uint16(52), uint16(len(names)+3))
	put(byte(constantLong), int64(7)) // the place of two
	for _, name := range names {
		put(byte(constantText), uint16(len(name)), []byte(name))
	}
	return data.Bytes()
}

// jarOf makes a jar with one class.
func jarOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var data bytes.Buffer
	w := zip.NewWriter(&data)
	f, err := w.Create("com/example/Etl.class")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(classOf(t, names...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestScalaOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{[]string{"java/lang/Object", "scala/Tuple2"}, ""},
		{[]string{"scala/collection/mutable/WrappedArray"}, "2.12"},
		{[]string{"(Lscala/Tuple2;[Lscala/collection/mutable/WrappedArray;)V"}, "2.12"},
		{[]string{"scala/collection/immutable/ArraySeq"}, "2.13"},
		{[]string{"(Lscala/collection/IterableOnce;)V"}, "2.13"},
		{[]string{"scala/collection/IterableOnce$"}, "2.13"},
		{[]string{"scala/collection/TraversableOnceAndMore", "scala/collection/compat/immutable/ArraySeq"}, ""},
		{[]string{"scala/collection/IterableOnce", "scala/Serializable"}, ""},
	} {
		data := jarOf(t, tt.names...)
		got, err := ScalaOf(bytes.NewReader(data), int64(len(data)))
		if err != nil || got != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.names, got, err, tt.want)
		}
	}
	if _, err := ScalaOf(strings.NewReader("x"), 1); err == nil {
		t.Error("no error for a file that is no jar")
	}
}

func FuzzConstantTexts(f *testing.F) {
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x02\x01\x00\x01A"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		texts, err := constantTexts(bufio.NewReader(bytes.NewReader(data)))
		if err == nil {
			for _, text := range texts {
				namedClasses(text)
			}
		}
	})
}
