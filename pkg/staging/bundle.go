package staging

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Limits bound what a bundle may contain; a bundle that exceeds one is refused.
type Limits struct {
	Files int   // how many files
	Bytes int64 // of all files together, unpacked
}

// DefaultLimits are far above what applications need and far below what fills a node's disk.
func DefaultLimits() Limits { return Limits{Files: 10_000, Bytes: 16 << 30} }

// ErrBadBundle is the problem of a bundle that is not a flat tar.gz of regular files.
var ErrBadBundle = errors.New("not a bundle of files")

// Pack writes files as a bundle: a tar.gz in which each has its base name. The same contents under the same names give
// the same bytes, whatever their order. Two files with the same base name are refused.
func Pack(w io.Writer, files ...string) error {
	return packAll(w, files, func(name string) string { return name }, func(archive *tar.Writer, name string) (err error) {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		return pack(archive, f)
	})
}

// PackFiles is like Pack, for files that are open already, each at its beginning. It does not close them.
func PackFiles(w io.Writer, files ...*os.File) error {
	return packAll(w, files, (*os.File).Name, pack)
}

// packAll writes a bundle of files, of which name and one are the name and what writes it.
func packAll[F any](w io.Writer, files []F, name func(F) string, one func(*tar.Writer, F) error) error {
	byName := slices.Clone(files)
	slices.SortFunc(byName, func(a, b F) int { return strings.Compare(filepath.Base(name(a)), filepath.Base(name(b))) })
	names := make([]string, 0, len(byName))
	for _, file := range byName {
		names = append(names, name(file))
	}
	if err := checkNames(names); err != nil {
		return err
	}
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, file := range byName {
		if err := one(archive, file); err != nil {
			return fmt.Errorf("pack %s: %w", name(file), err)
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}

// checkNames refuses files, sorted by base name, that cannot be in one bundle.
func checkNames(files []string) error {
	var problems []error
	if len(files) == 0 {
		problems = append(problems, errors.New("a bundle needs at least one file"))
	}
	for i, file := range files {
		if err := checkName(filepath.Base(file)); err != nil {
			problems = append(problems, fmt.Errorf("pack %s: %w", file, err))
		}
		if i > 0 && filepath.Base(files[i-1]) == filepath.Base(file) {
			problems = append(problems, fmt.Errorf("%s and %s have the same name, and a bundle is flat: rename one", files[i-1], file))
		}
	}
	return errors.Join(problems...)
}

func pack(archive *tar.Writer, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a regular file but %s", info.Mode().Type())
	}
	header := &tar.Header{Name: filepath.Base(f.Name()), Typeflag: tar.TypeReg, Mode: int64(plainMode(info.Mode())), Size: info.Size(),
		ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// plainMode is what is kept of a file's mode: whether it is a program, and whether it is for everybody. One that is not,
// as a keytab, can be read in a pod by those who fetched it and by their group, as which Spark's image runs.
func plainMode(mode fs.FileMode) fs.FileMode {
	plain := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		plain = 0o755
	}
	if mode&0o004 == 0 {
		plain &^= 0o007
	}
	return plain
}

// Unpack unpacks a bundle into a directory that it makes, and that appears as a whole or not at all: it is filled beside its
// place and renamed. Only regular files with plain names are taken; links, devices, directories, paths and a name that
// comes twice are ErrBadBundle, as is whatever exceeds the limits.
func Unpack(r io.Reader, into string, limits Limits) error {
	into = filepath.Clean(into)
	work, err := os.MkdirTemp(filepath.Dir(into), "."+filepath.Base(into)+"-")
	if err != nil {
		return fmt.Errorf("unpack a bundle: %w", err)
	}
	if err := fill(work, r, limits); err != nil {
		return errors.Join(fmt.Errorf("unpack a bundle: %w", err), os.RemoveAll(work))
	}
	if err := errors.Join(os.Chmod(work, 0o755), os.Rename(work, into)); err != nil {
		return errors.Join(fmt.Errorf("unpack a bundle: %w", err), os.RemoveAll(work))
	}
	return nil
}

// fill unpacks into an empty directory.
func fill(dir string, r io.Reader, limits Limits) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadBundle, err)
	}
	archive := tar.NewReader(zip)
	left := limits.Bytes
	for files := 0; ; files++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadBundle, err)
		}
		if err := checkHeader(header); err != nil {
			return fmt.Errorf("%w: entry %.200q: %w", ErrBadBundle, header.Name, err)
		}
		if left -= header.Size; left < 0 || files >= limits.Files {
			return fmt.Errorf("%w: more than %d files or %d bytes", ErrBadBundle, limits.Files, limits.Bytes)
		}
		if err := extract(dir, header, archive); err != nil {
			return fmt.Errorf("entry %.200q: %w", header.Name, err)
		}
	}
	// Read what follows the last entry, so that the checksum of the gzip is checked; a tar ends in a few zeros.
	trailing, err := io.CopyN(io.Discard, zip, maxTrailing)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrBadBundle, err)
	}
	if trailing == maxTrailing {
		return fmt.Errorf("%w: more than %d bytes follow its last entry", ErrBadBundle, maxTrailing)
	}
	return nil
}

// maxTrailing is the number of bytes that may follow the end of a tar: tools pad their last record.
const maxTrailing = 1 << 20

// extract writes one entry. O_EXCL refuses a name that occurs twice, also on file systems that ignore case.
func extract(dir string, header *tar.Header, r io.Reader) error {
	f, err := os.OpenFile(filepath.Join(dir, header.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, plainMode(fs.FileMode(header.Mode)))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: the name comes twice", ErrBadBundle)
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(f, r)
	if err == nil && n != header.Size {
		err = io.ErrUnexpectedEOF
	}
	var disk *fs.PathError
	if err != nil && !errors.As(err, &disk) {
		err = fmt.Errorf("%w: %w", ErrBadBundle, err)
	}
	return errors.Join(err, f.Close())
}

func checkHeader(header *tar.Header) error {
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("it has type %q, want a regular file", header.Typeflag)
	}
	return checkName(header.Name)
}

// checkName refuses names that are not plain file names on every system.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q is not a file's name", name)
	case len(name) > 255:
		return fmt.Errorf("the name has %d bytes, want at most 255", len(name))
	case strings.ContainsAny(name, "/\\\x00"):
		return fmt.Errorf("%q is a path, want a plain name: a bundle is flat", name)
	}
	return nil
}
