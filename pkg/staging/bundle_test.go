package staging

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts files into a fresh directory and returns their paths.
func write(t testing.TB, files map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// read returns the files of a directory.
func read(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(data)
	}
	return files
}

func TestPackThenUnpack(t *testing.T) {
	t.Parallel()
	want := map[string]string{"app.jar": strings.Repeat("code", 10_000), "empty": "", "ünï.txt": "x"}
	var first, second bytes.Buffer
	if err := Pack(&first, write(t, want)...); err != nil {
		t.Fatal(err)
	}
	later := write(t, want)
	for i, path := range later {
		if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Pack(&second, later...); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files give different bytes")
	}
	parent := t.TempDir()
	into := filepath.Join(parent, "bundle")
	if err := Unpack(&first, into, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, into)); diff != "" {
		t.Errorf("unpacked (-want +got):\n%s", diff)
	}
	if err := Unpack(&second, into, DefaultLimits()); err == nil {
		t.Error("a directory with files in it was replaced")
	}
	if names := read(t, into); len(names) != len(want) {
		t.Errorf("a refused bundle changed the directory: %v", names)
	}
	onlyBundle(t, parent)
}

// onlyBundle fails if something is left beside the directory "bundle".
func onlyBundle(t testing.TB, parent string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != "bundle" {
			t.Errorf("%s is left", entry.Name())
		}
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	a, b := write(t, map[string]string{"x.jar": "1"}), write(t, map[string]string{"x.jar": "2"})
	for name, tc := range map[string]struct {
		files []string
		want  string
	}{
		"nothing":        {nil, "at least one file"},
		"the same name":  {append(a, b...), "same name"},
		"a directory":    {[]string{t.TempDir()}, "not a regular file"},
		"a missing file": {[]string{filepath.Join(t.TempDir(), "none")}, "none"},
		"a backslash":    {write(t, map[string]string{`a\b`: ""}), "plain name"},
	} {
		if err := Pack(io.Discard, tc.files...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// archive makes a tar.gz by hand, as an attacker would.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o644}
	}
	whole := archive(t, file("a"), file("b"))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum of the gzip
	limits := Limits{Files: 5, Bytes: 1 << 20}
	for name, data := range map[string][]byte{
		"upwards":            archive(t, file("../escape")),
		"absolute":           archive(t, file("/etc/escape")),
		"below":              archive(t, file("dir/escape")),
		"backslash":          archive(t, file(`..\escape`)),
		"dot dot":            archive(t, file("..")),
		"symbolic link":      archive(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"hard link":          archive(t, file("a"), tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "a"}),
		"device":             archive(t, tar.Header{Name: "d", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}),
		"pipe":               archive(t, tar.Header{Name: "p", Typeflag: tar.TypeFifo}),
		"directory":          archive(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir}),
		"twice":              archive(t, file("a"), file("a")),
		"too many":           archive(t, file("a"), file("b"), file("c"), file("d"), file("e"), file("f")),
		"too large":          archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 1<<20 + 1}),
		"too long a name":    archive(t, file(strings.Repeat("n", 256))),
		"cut short":          whole[:len(whole)-12],
		"damaged":            flipped,
		"no gzip":            []byte("PK\x03\x04"),
		"nothing":            nil,
		"endless after tar":  archiveWithTail(t, maxTrailing+1),
		"no tar in the gzip": zipped(t, bytes.Repeat([]byte("x"), 2000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			err := Unpack(bytes.NewReader(data), filepath.Join(parent, "bundle"), limits)
			if !errors.Is(err, ErrBadBundle) {
				t.Errorf("error %v, want ErrBadBundle", err)
			}
			if entries, _ := os.ReadDir(parent); len(entries) > 0 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func zipped(t testing.TB, data []byte) []byte {
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

func archiveWithTail(t testing.TB, n int) []byte {
	t.Helper()
	return append(archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}), zipped(t, make([]byte, n))...)
}

// FuzzUnpack: whatever comes, nothing is written outside of the directory, and nothing is left of what is refused.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{})
	f.Add(archive(f, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 10}))
	f.Add(archive(f, tar.Header{Name: "../a", Typeflag: tar.TypeReg}))
	f.Add(archive(f, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, bundle := range [][]byte{data, zipped(t, data)} {
			parent := t.TempDir()
			into := filepath.Join(parent, "bundle")
			err := Unpack(bytes.NewReader(bundle), into, Limits{Files: 10, Bytes: 1 << 20})
			onlyBundle(t, parent)
			if _, seen := os.Stat(into); (err == nil) != (seen == nil) {
				t.Errorf("Unpack = %v, and the directory: %v", err, seen)
			}
			if err != nil {
				continue
			}
			entries, err := os.ReadDir(into)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if !entry.Type().IsRegular() {
					t.Errorf("%s is a %s", entry.Name(), entry.Type())
				}
			}
		}
	})
}

// A file for its owner alone, as a keytab, is not for everybody in a pod.
func TestPrivateFilesStayPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := map[string]fs.FileMode{}
	var files []*os.File
	for given, kept := range map[fs.FileMode]fs.FileMode{0o600: 0o640, 0o400: 0o640, 0o640: 0o640, 0o644: 0o644, 0o700: 0o750, 0o755: 0o755,
		0o666: 0o644} {
		name := fmt.Sprintf("f%o", given)
		want[name] = kept
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), given); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	var bundle bytes.Buffer
	if err := PackFiles(&bundle, files...); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(dir, "into")
	if err := Unpack(&bundle, into, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(into, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
		}
	}
}
