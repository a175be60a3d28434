package parts

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// pack writes a directory as a compressed tar. Owners and times are left out, so the same files give the same bytes.
func pack(ctx context.Context, out io.Writer, directory string) (bytes int64, files int, err error) {
	compressed, err := zstd.NewWriter(out)
	if err != nil {
		return 0, 0, err
	}
	archive := tar.NewWriter(compressed)
	err = filepath.WalkDir(directory, func(file string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil || file == directory {
			return err
		}
		name, err := filepath.Rel(directory, file)
		if err != nil {
			return err
		}
		size, err := packOne(archive, filepath.ToSlash(name), file, entry)
		bytes, files = bytes+size, files+1
		return err
	})
	return bytes, files, errors.Join(err, archive.Close(), compressed.Close())
}

func packOne(archive *tar.Writer, name, file string, entry fs.DirEntry) (int64, error) {
	info, err := entry.Info()
	if err != nil {
		return 0, err
	}
	header := &tar.Header{Name: name, Mode: int64(permissions(info.Mode())), ModTime: time.Unix(0, 0).UTC(), Format: tar.FormatPAX}
	switch {
	case entry.IsDir():
		header.Typeflag = tar.TypeDir
		return 0, archive.WriteHeader(header)
	case entry.Type() == fs.ModeSymlink:
		header.Typeflag = tar.TypeSymlink
		header.Linkname, err = os.Readlink(file)
		return 0, errors.Join(err, archive.WriteHeader(header))
	case !entry.Type().IsRegular():
		return 0, fmt.Errorf("%s is of type %s, want only files, directories and links", file, entry.Type())
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := archive.WriteHeader(header); err != nil {
		return 0, err
	}
	opened, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = opened.Close() }() // opened for reading only
	return io.Copy(archive, opened)
}

// permissions are those of a file that everybody may read, and execute if its owner may.
func permissions(mode fs.FileMode) fs.FileMode {
	if mode.IsDir() || mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// unpack fills an empty directory with a compressed tar of at most so many bytes and files, and reads the archive to its end. No file is
// written outside of the directory, and no link leads out of it.
func unpack(ctx context.Context, in io.Reader, directory string, bytes int64, files int) error {
	err := unpackAll(ctx, in, directory, bytes, files)
	// A reader that compares digests tells at its end, and better than a decompressor, what is wrong.
	if _, wrong := io.Copy(io.Discard, in); wrong != nil && ctx.Err() == nil {
		return wrong
	}
	return err
}

func unpackAll(ctx context.Context, in io.Reader, directory string, bytes int64, files int) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // files are closed one by one
	plain, err := zstd.NewReader(in, zstd.WithDecoderMaxMemory(maxWindow))
	if err != nil {
		return err
	}
	defer plain.Close()
	limited := io.LimitReader(plain, bytes+int64(files+2)*maxHeader)
	archive := tar.NewReader(limited)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, limited)
			return err
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if files, bytes = files-1, bytes-header.Size; files < 0 || bytes < 0 {
			return errors.New("unpack: it holds more than the inventory says")
		}
		if err := unpackOne(root, header, archive); err != nil {
			return fmt.Errorf("unpack %q: %w", header.Name, err)
		}
	}
}

const (
	maxWindow = 256 << 20 // memory of a decompressor
	maxHeader = 16 << 10  // of what a tar says of a file
)

func unpackOne(root *os.Root, header *tar.Header, content io.Reader) error {
	name := path.Clean(header.Name)
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return errors.New("the name leads out of the directory; the archive was not made by sparkchaos")
	}
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755); err != nil {
		return err
	}
	mode := permissions(fs.FileMode(header.Mode))
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(filepath.FromSlash(name), 0o755)
	case tar.TypeSymlink:
		if target := path.Join(path.Dir(name), header.Linkname); path.IsAbs(header.Linkname) || !filepath.IsLocal(filepath.FromSlash(target)) {
			return fmt.Errorf("the link leads to %q, out of the directory; the archive was not made by sparkchaos", header.Linkname)
		}
		return root.Symlink(header.Linkname, filepath.FromSlash(name))
	case tar.TypeReg:
		file, err := root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		// The machine may lose power after the directory got its name.
		return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	default:
		return fmt.Errorf("it is of type %q, want only files, directories and links", header.Typeflag)
	}
}

// verified reads what must have a digest and a size; its end is an error if it has others.
type verified struct {
	in   io.Reader
	want v1.Hash
	size int64
	hash hash.Hash
	read int64
}

func verify(in io.Reader, want v1.Hash, size int64) *verified {
	return &verified{in: in, want: want, size: size, hash: sha256.New()}
}

// Read implements io.Reader.
func (v *verified) Read(buffer []byte) (int, error) {
	n, err := v.in.Read(buffer)
	_, _ = v.hash.Write(buffer[:n]) // never fails
	v.read += int64(n)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if v.read != v.size {
		return n, fmt.Errorf("truncated or changed: it has %d bytes, want %d", v.read, v.size)
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.want.Hex {
		return n, fmt.Errorf("damaged or changed: it has the digest sha256:%s, want %s", got, v.want)
	}
	return n, io.EOF
}
