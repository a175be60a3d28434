package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
)

// readELF opens an ELF file for read, and names the file in its error.
func readELF(object string, read func(*elf.File) error) (err error) {
	f, err := elf.Open(object)
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	return nil
}

// elfNeeds returns the libraries that an ELF file names and the loader that it asks for.
func elfNeeds(object string) (libraries []string, loader string, err error) {
	err = readELF(object, func(f *elf.File) error {
		if libraries, err = f.ImportedLibraries(); err != nil {
			return err
		}
		loader, err = loaderOf(f)
		return err
	})
	return libraries, loader, err
}

// loaderOf returns the loader that an ELF file asks for; empty if it asks for none.
func loaderOf(f *elf.File) (string, error) {
	loader := ""
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil {
			return "", err
		}
		loader = strings.TrimRight(string(data), "\x00")
	}
	return loader, nil
}

// elfNeededVersions returns the libraries that an ELF file names, with the versions of symbols that it wants of each.
func elfNeededVersions(object string) (map[string][]string, error) {
	needed := map[string][]string{}
	err := readELF(object, func(f *elf.File) error {
		libraries, err := f.ImportedLibraries()
		if err != nil {
			return err
		}
		for _, l := range libraries {
			needed[l] = nil
		}
		if len(libraries) == 0 {
			return nil // static
		}
		versions, err := f.DynamicVersionNeeds()
		if err != nil {
			return fmt.Errorf("versions of symbols that it needs: %w", err)
		}
		for _, v := range versions {
			for _, n := range v.Needs {
				needed[v.Name] = append(needed[v.Name], n.Dep)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return needed, nil
}

// elfProvidedVersions returns the versions of symbols that a library has.
func elfProvidedVersions(library string) (provided []string, err error) {
	err = readELF(library, func(f *elf.File) error {
		versions, err := f.DynamicVersions()
		if err != nil {
			return fmt.Errorf("versions of its symbols: %w", err)
		}
		for _, v := range versions {
			provided = append(provided, v.Name)
		}
		return nil
	})
	return provided, err
}
