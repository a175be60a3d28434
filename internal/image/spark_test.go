package image

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSparkVersion(t *testing.T) {
	t.Parallel()
	for pom, want := range map[string]string{
		"<project><properties><spark.version> 4.1.0\n</spark.version></properties></project>": "4.1.0",
		"<project><properties/></project>":                                                               "",
		"<project><properties><spark.version>${other}</spark.version></properties></project>":            "",
		"<project><properties><spark.version>../../x:1</spark.version></properties></project>":           "",
		"<project><properties><spark.version>4.1.0</spark.version></properties>":                         "",
		`<project xmlns="urn:x"><properties><spark.version>4.0.1</spark.version></properties></project>`: "4.0.1",
	} {
		got, err := sparkVersion([]byte(pom))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", pom, got, err, want)
		}
	}
}

func FuzzSparkVersion(f *testing.F) {
	f.Add([]byte("<project><properties><spark.version>4.1.0</spark.version></properties></project>"))
	f.Fuzz(func(t *testing.T, pom []byte) {
		version, err := sparkVersion(pom)
		if (err == nil) != (version != "") || strings.ContainsAny(version, "/:") {
			t.Errorf("%q, %v", version, err)
		}
	})
}

func TestRepositoryNamesSparkVersion(t *testing.T) {
	t.Parallel()
	p, err := readProject(filepath.Join("..", "..", "workloads"))
	if err != nil {
		t.Fatal(err)
	}
	if files, err := p.mainSources(); err != nil || !slices.IsSorted(files) {
		t.Errorf("sources %v, %v", files, err)
	}
}

func TestReadProjectWithoutSources(t *testing.T) {
	t.Parallel()
	if _, err := readProject(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := (project{dir: t.TempDir()}).mainSources(); err == nil {
		t.Error("no error for a module without sources")
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		jar, entry, arch string
		want             bool
	}{
		{"netty-transport-native-epoll-4.2.7.Final-linux-x86_64.jar", "", "amd64", false},
		{"netty-transport-native-epoll-4.2.7.Final-linux-x86_64.jar", "", "arm64", true},
		{"netty-transport-native-kqueue-4.2.7.Final-osx-aarch_64.jar", "", "amd64", true},
		{"netty-common-4.2.7.Final.jar", "", "amd64", false},
		{"rocksdbjni-9.8.4.jar", "librocksdbjni-linux64.so", "amd64", false},
		{"rocksdbjni-9.8.4.jar", "librocksdbjni-linux64-musl.so", "amd64", true},
		{"rocksdbjni-9.8.4.jar", "librocksdbjni-linux64.so", "arm64", true},
		{"rocksdbjni-9.8.4.jar", "org/rocksdb/RocksDB.class", "amd64", false},
		{"zstd-jni-1.5.7-6.jar", "linux/amd64/libzstd-jni-1.5.7-6.so", "amd64", false},
		{"zstd-jni-1.5.7-6.jar", "darwin/x86_64/libzstd-jni-1.5.7-6.dylib", "amd64", true},
		{"snappy-java-1.1.10.8.jar", "org/xerial/snappy/native/Linux/x86_64/libsnappyjava.so", "amd64", false},
		{"snappy-java-1.1.10.8.jar", "org/xerial/snappy/native/Linux/x86_64/libsnappyjava.so", "riscv64", false},
		{"unknown-1.jar", "win64/x.dll", "amd64", false},
	} {
		got := foreignJar(c.jar, c.arch)
		if c.entry != "" {
			got = foreignEntry(c.jar, c.entry, c.arch)
		}
		if got != c.want {
			t.Errorf("%s %s on %s: foreign %v, want %v", c.jar, c.entry, c.arch, got, c.want)
		}
	}
}

// TestKeepJar trims a jar that, like real ones, has directories stored as compressed files.
func TestKeepJar(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the jar below is for amd64")
	}
	trimmed := func() (name, sum string) {
		source := filepath.Join(t.TempDir(), "rocksdbjni-9.8.4.jar")
		var data bytes.Buffer
		w := zip.NewWriter(&data)
		for _, member := range []string{"META-INF/", "A.class", "librocksdbjni-linux64.so", "librocksdbjni-win64.dll"} {
			f, err := w.Create(member)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(member, "/") {
				if _, err := f.Write([]byte(member)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(source, data.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(t.TempDir(), filepath.Base(source))
		sum, err := keepJar(source, target, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		return target, sum
	}
	target, sum := trimmed()
	if _, again := trimmed(); sum != again {
		t.Error("trimmed twice, the jar differs")
	}
	r, err := zip.OpenReader(target)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"META-INF/", "A.class", "librocksdbjni-linux64.so"}, names); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(target); err != nil || !info.ModTime().Equal(Epoch()) {
		t.Errorf("time %v, %v, want %v", info.ModTime(), err, Epoch())
	}
}

func TestFindJDKRefuses(t *testing.T) {
	t.Parallel()
	home := func(release string) string {
		dir := t.TempDir()
		if release != "" {
			if err := os.WriteFile(filepath.Join(dir, "release"), []byte(release), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, c := range map[string]struct{ release, says string }{
		"no JDK":     {"", "not the home of a JDK"},
		"other":      {`JAVA_VERSION="21.0.1"`, "not a JDK 17"},
		"only a JRE": {`JAVA_VERSION="17.0.1"`, "bin/java"},
	} {
		dir := home(c.release)
		_, err := findJDK(func(string) string { return dir })
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// TestClosure follows the libraries of a program of this machine.
func TestClosure(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	if libraries, _, err := elfNeeds(shell); err != nil || len(libraries) == 0 {
		t.Skipf("%s is not dynamically linked: %v", shell, err)
	}
	files, err := closure([]string{shell}, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var loader, libc bool
	for _, f := range files {
		loader = loader || strings.Contains(f.path, "ld-linux") || strings.Contains(f.path, "ld-musl")
		libc = libc || strings.Contains(f.path, "libc.")
		if strings.HasPrefix(f.path, "/") || !exists(f.source) {
			t.Errorf("file %+v", f)
		}
	}
	if !loader || !libc {
		t.Errorf("the closure of %s holds no loader or no C library: %v", shell, files)
	}
	if _, err := closure([]string{shell}, []string{"libnothing.so.0"}, t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "libnothing.so.0") {
		t.Errorf("error %v does not name the missing library", err)
	}
	if _, err := closure([]string{"spark_test.go"}, nil, ""); err == nil {
		t.Error("no error for a file that is not ELF")
	}
}

func TestReadClassList(t *testing.T) {
	t.Parallel()
	got, err := readClassList(strings.NewReader(`# comment
java/lang/Object id: 0
org/apache/spark/SparkConf id: 17
dev/sparkchaos/training/Training id: 18
org/own/Loaded id: 19 super: 0 source: /tmp/x.jar
@lambda-proxy dev/sparkchaos/training/Training call ()Lx;
@lambda-form-invoker [LF_RESOLVE] java.lang.invoke.DirectMethodHandle$Holder newInvokeSpecial L_L

java/lang/String id: 1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"java/lang/Object", "org/apache/spark/SparkConf",
		"@lambda-form-invoker [LF_RESOLVE] java.lang.invoke.DirectMethodHandle$Holder newInvokeSpecial L_L", "java/lang/String",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadClassList(f *testing.F) {
	f.Add([]byte("java/lang/Object id: 0\n# x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := readClassList(bytes.NewReader(data))
		if err == nil && slices.ContainsFunc(lines, func(l string) bool { return l == "" || strings.Contains(l, " id: ") }) {
			t.Errorf("%q", lines)
		}
	})
}

// TestRehearsal plays Spark's driver: it watches pods by a web socket, makes one, and sees it live and end.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	var environ []string
	api, err := newRehearsal(t.Context(), func(ctx context.Context, e []string) *exec.Cmd {
		environ = e
		return exec.CommandContext(ctx, "true")
	})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(api.certificate) {
		t.Fatal("the certificate is not PEM")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	pods := api.url + "/api/v1/namespaces/" + rehearsalNamespace + "/pods"

	dialer := websocket.Dialer{TLSClientConfig: config}
	watch, response, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(pods, "https")+"?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	created := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "exec-1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Env: []corev1.EnvVar{
			{Name: "A", Value: "b"},
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			{Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		}}}}}
	body, err := json.Marshal(created)
	if err != nil {
		t.Fatal(err)
	}
	response, err = client.Post(pods, "application/json", bytes.NewReader(body))
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%v, %v", response, err)
	}
	response.Body.Close()
	var phases []corev1.PodPhase
	for !slices.Contains(phases, corev1.PodSucceeded) {
		var event struct{ Object corev1.Pod }
		if err := watch.ReadJSON(&event); err != nil {
			t.Fatal(err)
		}
		phases = append(phases, event.Object.Status.Phase)
	}
	if diff := cmp.Diff([]corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded}, phases); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A=b", "IP=127.0.0.1", "NAME=exec-1"}, environ); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]int{pods: 200, pods + "/driver": 200, pods + "/none": 404,
		api.url + "/api/v1/namespaces/training/services": 200} {
		response, err := client.Get(path)
		if err != nil || response.StatusCode != want {
			t.Errorf("%s: %v, %v, want %d", path, response, err, want)
			continue
		}
		response.Body.Close()
	}
	if err := errors.Join(watch.Close(), api.close()); err != nil {
		t.Error(err)
	}
}

func TestTreesByLinks(t *testing.T) {
	t.Parallel()
	source, target := t.TempDir(), t.TempDir()
	for _, e := range []entry{content("a/b", 0o755, []byte("x")), symlink("a/c", "b"), directory("d", 0o1777, owner{})} {
		if err := materialise(source, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := setEpochBelow(source); err != nil {
		t.Fatal(err)
	}
	if err := linkTree(target, source); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(target, "a", "c"))
	if err != nil || info.Mode() != 0o755 || !info.ModTime().Equal(Epoch()) {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(source, "d")); err != nil || info.Mode()&fs.ModeSticky == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
