package parts

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
)

// tarOf returns a compressed tar.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(compressed)
	for _, header := range headers {
		content := strings.Repeat("x", int(header.Size))
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackRefusesWhatLeadsOutOfTheDirectory(t *testing.T) {
	t.Parallel()
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o4755}
	}
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
	}
	for name, tc := range map[string]struct {
		headers []tar.Header
		want    string
	}{
		"whole":                      {[]tar.Header{file("bin/a"), link("bin/b", "a"), link("c", "bin/a")}, ""},
		"a path upwards":             {[]tar.Header{file("../a")}, "leads out of the directory"},
		"a path upwards from within": {[]tar.Header{file("bin/../../a")}, "leads out of the directory"},
		"an absolute path":           {[]tar.Header{file("/etc/a")}, "leads out of the directory"},
		"a link upwards":             {[]tar.Header{link("bin/b", "../../etc")}, "out of the directory"},
		"an absolute link":           {[]tar.Header{link("b", "/etc")}, "out of the directory"},
		"a file through a link":      {[]tar.Header{link("b", "c"), file("b/d")}, "unpack"},
		"a hard link":                {[]tar.Header{{Name: "b", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}}, "want only files"},
		"a device":                   {[]tar.Header{{Name: "b", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}, "want only files"},
		"a file twice":               {[]tar.Header{file("a"), file("a")}, "file exists"},
		"too many files":             {[]tar.Header{file("a"), file("b"), file("c"), file("d")}, "more than the inventory says"},
		"too many bytes":             {[]tar.Header{{Name: "a", Typeflag: tar.TypeReg, Size: 13}}, "more than the inventory says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outside := t.TempDir()
			inside := filepath.Join(outside, "in", "side")
			if err := os.MkdirAll(inside, 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpack(t.Context(), bytes.NewReader(tarOf(t, tc.headers...)), inside, 12, 3)
			if tc.want == "" {
				info, err2 := os.Stat(filepath.Join(inside, "c"))
				if err := errors.Join(err, err2); err != nil || info.Mode() != 0o755 {
					t.Errorf("%v, %v", info, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("unpack = %v, want an error with %q", err, tc.want)
			}
			checkOutside(t, outside)
		})
	}
}

// checkOutside fails if there is anything but the directory in/side.
func checkOutside(t testing.TB, outside string) {
	t.Helper()
	err := filepath.WalkDir(outside, func(file string, entry fs.DirEntry, err error) error {
		if entry.Name() == "side" {
			return fs.SkipDir
		}
		if file != outside && entry.Name() != "in" {
			t.Errorf("%s was written", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 3}))
	f.Add(tarOf(f, tar.Header{Name: "../a", Typeflag: tar.TypeReg, Size: 3}))
	f.Add(tarOf(f, tar.Header{Name: "b", Linkname: "../..", Typeflag: tar.TypeSymlink}, tar.Header{Name: "b/a", Typeflag: tar.TypeReg}))
	f.Fuzz(func(t *testing.T, data []byte) {
		outside := t.TempDir()
		inside := filepath.Join(outside, "in", "side")
		if err := os.MkdirAll(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpack(t.Context(), bytes.NewReader(data), inside, 1<<16, 16) // any answer will do
		checkOutside(t, outside)
	})
}

// A disk that becomes full in the middle of a part.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system can be mounted by root alone: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(directory, syscall.MNT_DETACH) }) // of a test
	m := Machine{Env: image.Env{Cache: directory}}
	own := components.LockDigest()
	source, err := image.Source(t.Context(), m.Env, "pause")
	if err != nil {
		t.Fatal(err)
	}
	part := Part{Kind: Image, Name: "pause", Key: source, Stage: strings.Repeat("1", 24), Bytes: 1 << 20, Files: 1}
	part.Layer = memory(typePart, nil).descriptor.Digest
	r := &receiver{Machine: m}
	content := tarOf(t, tar.Header{Name: "image.tar", Typeflag: tar.TypeReg, Size: 1 << 20})
	err = r.receive(t.Context(), part, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("receive = %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(directory, "images", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	inventory := Inventory{Version: inventoryVersion, Platform: platform().String(), Lock: own, Parts: []Part{part}}
	if _, err := m.receiverOf(t.Context(), marshal(t, inventory), Wanted{All: true}); err == nil ||
		!strings.Contains(err.Error(), "make room") {
		t.Errorf("receiverOf = %v", err)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestInventoriesOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	all, err := components.Components()
	if err != nil {
		t.Fatal(err)
	}
	runc := Part{
		Kind:    Component,
		Name:    all[0].Name,
		Version: all[0].Version,
		Key:     all[0].Key,
		Layer:   memory(typePart, nil).descriptor.Digest,
	}
	for name, tc := range map[string]struct {
		change func(*Inventory)
		want   string
	}{
		"newer version":         {func(i *Inventory) { i.Version = 2 }, "has version 2"},
		"other platform":        {func(i *Inventory) { i.Platform = "plan9/386" }, "are for plan9/386, this machine is " + runtime.GOOS},
		"other lock":            {func(i *Inventory) { i.Lock = strings.Repeat("0", 64) }, "this program needs those of"},
		"other key":             {func(i *Inventory) { i.Parts[0].Key = strings.Repeat("0", 64) }, "has the key 000000000000"},
		"other version of it":   {func(i *Inventory) { i.Parts[0].Version = "v0.0.1" }, "this program needs"},
		"unknown component":     {func(i *Inventory) { i.Parts[0].Name = "docker" }, "this program needs"},
		"unknown kind":          {func(i *Inventory) { i.Parts[0].Kind = "chart" }, `of kind "chart"`},
		"unknown image":         {func(i *Inventory) { i.Parts[0].Kind = Image }, "nothing is prebuilt"},
		"more than any disk":    {func(i *Inventory) { i.Parts[0].Bytes = math.MaxInt64 }, "make room"},
		"less than nothing":     {func(i *Inventory) { i.Parts[0].Bytes = -1 }, "has -1 bytes"},
		"less than no file too": {func(i *Inventory) { i.Parts[0].Files = -1 }, "in -1 files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inventory := Inventory{
				Version:  inventoryVersion,
				Platform: platform().String(),
				Lock:     components.LockDigest(),
				Parts:    []Part{runc},
			}
			tc.change(&inventory)
			_, err := Machine{Env: image.Env{Cache: t.TempDir()}}.receiverOf(t.Context(), marshal(t, inventory), Wanted{All: true})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("receiverOf = %v, want an error with %q", err, tc.want)
			}
		})
	}
}
