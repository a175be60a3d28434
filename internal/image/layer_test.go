package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type tarMember struct {
	Name, Link, Body string
	Type             byte
	Mode             int64
	UID              int
	Mtime            time.Time
}

func readTar(t *testing.T, r io.Reader) []tarMember {
	t.Helper()
	var members []tarMember
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, tarMember{h.Name, h.Linkname, string(body), h.Typeflag, h.Mode, h.Uid, h.ModTime.UTC()})
	}
}

func TestWriteTarSortsAndAddsParents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := writeTar(&out, []entry{
		content("b/file", 0o640, []byte("text")),
		symlink("b/link", "/b/file"),
		directory("a", 0o1777, owner{SparkUser, SparkUser}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []tarMember{
		{Name: "a/", Type: tar.TypeDir, Mode: 0o1777, UID: SparkUser, Mtime: Epoch()},
		{Name: "b/", Type: tar.TypeDir, Mode: 0o755, Mtime: Epoch()},
		{Name: "b/file", Body: "text", Type: tar.TypeReg, Mode: 0o640, Mtime: Epoch()},
		{Name: "b/link", Link: "/b/file", Type: tar.TypeSymlink, Mode: 0o777, Mtime: Epoch()},
	}
	if diff := cmp.Diff(want, readTar(t, &out)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteTarRefuses(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]entry{
		"two of a name": {content("a", 0o644, nil), content("a", 0o644, nil)},
		"absolute":      {content("/a", 0o644, nil)},
		"outside":       {content("../a", 0o644, nil)},
		"root":          {directory(".", 0o755, owner{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := writeTar(io.Discard, entries); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestLayersAreTheSame builds a layer of two trees that differ only in what must not matter.
func TestLayersAreTheSame(t *testing.T) {
	t.Parallel()
	layer := func(when time.Time, perm fs.FileMode) string {
		source, stage := t.TempDir(), t.TempDir()
		for _, name := range []string{"x/one", "two"} {
			file := filepath.Join(source, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(name), perm); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, when, when); err != nil {
				t.Fatal(err)
			}
		}
		entries, err := tree("opt", source)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeLayer(stage, entries); err != nil {
			t.Fatal(err)
		}
		l, err := openLayer(stage)
		if err != nil {
			t.Fatal(err)
		}
		return l.info.Digest.String()
	}
	first := layer(time.Unix(1, 0), 0o600)
	if second := layer(time.Unix(1e9, 5), 0o644); first != second {
		t.Errorf("digests %s and %s of the same files", first, second)
	}
	if other := layer(time.Unix(1, 0), 0o755); first == other {
		t.Error("a tree with executable files has the digest of one without")
	}
}

func TestStoredLayerKnowsItsBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeLayer(dir, []entry{content("a", 0o644, []byte(strings.Repeat("x", 1<<16)))}); err != nil {
		t.Fatal(err)
	}
	l, err := openLayer(dir)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := hashFile(filepath.Join(dir, layerFile))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, layerFile))
	if err != nil {
		t.Fatal(err)
	}
	if l.info.Digest.Hex != digest || l.info.Size != info.Size() {
		t.Errorf("layer says %+v, the file has digest %s and size %d", l.info, digest, info.Size())
	}
	plain, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	if members := readTar(t, plain); len(members) != 1 || len(members[0].Body) != 1<<16 {
		t.Errorf("the layer holds %d members", len(members))
	}
	if err := plain.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenLayerSaysWhatIsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, layerMeta), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openLayer(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v does not name the directory", err)
	}
}
