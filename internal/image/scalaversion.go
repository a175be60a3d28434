package image

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Versions of Scala whose programs do not run with each other's library.
const (
	scala212 = "2.12"
	scala213 = "2.13"
)

// maxClass bounds a class file that is read, in bytes.
const maxClass = 8 << 20

// scalaOnlyIn names classes of Scala's library that only one version has, and that a program of some size refers to.
func scalaOnlyIn() map[string]string {
	only := map[string]string{}
	for _, class := range []string{
		"scala/Serializable", "scala/collection/GenTraversableOnce", "scala/collection/Traversable", "scala/collection/TraversableLike",
		"scala/collection/TraversableOnce", "scala/collection/generic/CanBuildFrom", "scala/collection/immutable/StringOps",
		"scala/collection/mutable/ArrayOps", "scala/collection/mutable/WrappedArray",
	} {
		only[class] = scala212
	}
	for _, class := range []string{
		"scala/collection/ArrayOps", "scala/collection/BuildFrom", "scala/collection/IterableOnce", "scala/collection/IterableOps",
		"scala/collection/StringOps", "scala/collection/immutable/ArraySeq", "scala/collection/immutable/LazyList",
	} {
		only[class] = scala213
	}
	return only
}

// ScalaOf returns the version of Scala that the classes of a jar are compiled for, 2.12 or 2.13; empty if they do not tell, as those of
// programs in Java.
func ScalaOf(r io.ReaderAt, size int64) (string, error) {
	jar, err := zip.NewReader(r, size)
	if err != nil {
		return "", fmt.Errorf("it is no jar: %w", err)
	}
	only := scalaOnlyIn()
	found := map[string]bool{}
	for _, member := range jar.File {
		// A program that brings the library along has classes that are in every version of it.
		if path.Ext(member.Name) != ".class" || strings.HasPrefix(member.Name, "scala/") || member.UncompressedSize64 > maxClass {
			continue
		}
		texts, err := classTexts(member)
		if err != nil {
			continue // a class that nobody can read decides nothing
		}
		for _, text := range texts {
			for _, class := range namedClasses(text) {
				if version := only[class]; version != "" {
					found[version] = true
				}
			}
		}
		if len(found) > 1 {
			return "", nil // libraries of both: it is not known which are used
		}
	}
	for version := range found {
		return version, nil
	}
	return "", nil
}

// namedClasses returns the classes of Scala's library that a text of a class file names: a name by itself, or those in a descriptor.
func namedClasses(text string) []string {
	const library = "scala/"
	if strings.HasPrefix(text, library) {
		name, _, _ := strings.Cut(text, "$")
		return []string{name}
	}
	var names []string
	for rest := text; ; {
		_, after, more := strings.Cut(rest, "L"+library)
		if !more {
			return names
		}
		name, end, closed := strings.Cut(after, ";")
		if !closed {
			return names
		}
		names, rest = append(names, library+name), end
	}
}

func classTexts(member *zip.File) (texts []string, err error) {
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return constantTexts(bufio.NewReader(io.LimitReader(r, maxClass)))
}

// The kinds of constants of a class file that have a length of their own.
const (
	constantText   = 1
	constantLong   = 5
	constantDouble = 6
)

// constantLength returns how many bytes follow the kind of a constant; 0 for those that are not known.
func constantLength(kind byte) int {
	switch kind {
	case 7, 8, 16, 19, 20: // class, string, method type, module, package
		return 2
	case 15: // method handle
		return 3
	case 3, 4, 9, 10, 11, 12, 17, 18: // integer, float, references, name and type, dynamic
		return 4
	case constantLong, constantDouble:
		return 8
	default:
		return 0
	}
}

// constantTexts returns the texts among the constants of a class file: names and descriptors of all that it refers to.
func constantTexts(r *bufio.Reader) ([]string, error) {
	var head struct {
		Magic        uint32
		Minor, Major uint16
		Count        uint16
	}
	if err := binary.Read(r, binary.BigEndian, &head); err != nil {
		return nil, err
	}
	if head.Magic != 0xcafebabe {
		return nil, errors.New("no class file")
	}
	var texts []string
	for i := 1; i < int(head.Count); i++ {
		kind, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		if kind == constantText {
			var length uint16
			if err := binary.Read(r, binary.BigEndian, &length); err != nil {
				return nil, err
			}
			text := make([]byte, length)
			if _, err := io.ReadFull(r, text); err != nil {
				return nil, err
			}
			texts = append(texts, string(text))
			continue
		}
		length := constantLength(kind)
		if length == 0 {
			return nil, fmt.Errorf("constant %d is of the unknown kind %d", i, kind)
		}
		if _, err := r.Discard(length); err != nil {
			return nil, err
		}
		if kind == constantLong || kind == constantDouble {
			i++ // they take the place of two
		}
	}
	return texts, nil
}
