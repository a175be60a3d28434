package image

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// jarsFormat changes when the same dependencies are to be trimmed in another way.
const jarsFormat = "1"

// sparkJars are Spark's jars with all they need.
type sparkJars struct {
	dir      string // holds the jars
	manifest string // name and hash of each: what the layers above depend on
	layer    string // stage of the layer
}

// jars returns Spark's jars, without what belongs to other platforms: what the workloads' pom declares as provided if it is of the version
// that is wanted, else those of a release.
func (b sparkBuild) jars(ctx context.Context) (sparkJars, error) {
	fetch := b.mavenJars
	if !b.own() {
		fetch = func(ctx context.Context) (string, error) { return b.release(ctx, true) }
	}
	dir, err := fetch(ctx)
	if err != nil {
		return sparkJars{}, err
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest"))
	if err != nil {
		return sparkJars{}, err
	}
	jars := sparkJars{dir: filepath.Join(dir, "jars"), manifest: string(manifest)}
	layerKey := newStageKey(b.kind("jars-layer"))
	layerKey.add("jars", jars.manifest)
	jars.layer, err = b.make(ctx, stage{
		kind: b.kind("jars-layer"), key: layerKey.sum(), why: "compress",
		build: func(_ context.Context, dir string) error {
			entries, err := tree(path.Join(SparkHome[1:], "jars"), jars.dir)
			if err != nil {
				return err
			}
			return writeLayer(dir, entries)
		},
	})
	return jars, err
}

// mavenJars returns the stage with the jars of the workloads' pom and their manifest.
func (b sparkBuild) mavenJars(ctx context.Context) (string, error) {
	key := newStageKey("spark-jars")
	key.add("pom", string(b.project.pom))
	key.add("sums", string(b.project.jars.format()))
	key.add("platform", runtime.GOARCH)
	key.add("format", jarsFormat)
	return b.make(ctx, stage{
		kind: "spark-jars", key: key.sum(), why: "mvn dependency:copy-dependencies",
		build: func(ctx context.Context, dir string) error { return fetchJars(ctx, dir, b.project) },
	})
}

// copyJars makes Maven copy the jars of a pom into the directory all below dir.
func copyJars(ctx context.Context, dir string, pom []byte) (all string, err error) {
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return "", err
	}
	all = filepath.Join(dir, "all")
	return all, maven(ctx, dir, "dependency:copy-dependencies", "-DincludeScope=provided", "-DoutputDirectory="+all)
}

// fetchJars fills dir with jars/ and the manifest of them. Each must be what the checkout's list says before it is used.
func fetchJars(ctx context.Context, dir string, p project) error {
	all, err := copyJars(ctx, dir, p.pom)
	if err != nil {
		return err
	}
	fetched, err := sumJars(all)
	if err != nil {
		return err
	}
	if err := p.jars.check(fetched); err != nil {
		return err
	}
	if err := keepJars(all, dir); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(all), os.Remove(filepath.Join(dir, "pom.xml")))
}

// platforms returns how Maven classifiers name the platforms, this machine's first.
func platforms(arch string) (own string, foreign []string) {
	own = map[string]string{"amd64": "linux-x86_64", "arm64": "linux-aarch_64"}[arch]
	known := []string{"linux-x86_64", "linux-aarch_64", "linux-riscv64", "osx-x86_64", "osx-aarch_64", "windows-x86_64"}
	return own, slices.DeleteFunc(known, func(p string) bool { return p == own })
}

// foreignJar reports whether a jar holds only native code of another platform.
func foreignJar(name, arch string) bool {
	_, foreign := platforms(arch)
	return slices.ContainsFunc(foreign, func(p string) bool { return strings.HasSuffix(name, "-"+p+".jar") })
}

// nativeRule says how the native libraries of one jar are told apart by platform.
type nativeRule struct {
	jar  string            // the jar's name begins with it
	keep map[string]string // architecture → part of the path of the library to keep
}

// nativeRules are for the jars that carry large libraries of all platforms; the small ones are not worth a rule.
func nativeRules() []nativeRule {
	return []nativeRule{
		{"rocksdbjni-", map[string]string{"amd64": "librocksdbjni-linux64.so", "arm64": "librocksdbjni-linux-aarch64.so"}},
		{"zstd-jni-", map[string]string{"amd64": "linux/amd64/", "arm64": "linux/aarch64/"}},
		{"snappy-java-", map[string]string{"amd64": "native/Linux/x86_64/", "arm64": "native/Linux/aarch64/"}},
	}
}

// foreignEntry reports whether a file of a jar is a native library of another platform.
func foreignEntry(jar, name, arch string) bool {
	for _, rule := range nativeRules() {
		keep, known := rule.keep[arch]
		if known && strings.HasPrefix(jar, rule.jar) {
			return slices.Contains([]string{".so", ".dll", ".dylib", ".jnilib", ".a"}, path.Ext(name)) && !strings.Contains(name, keep)
		}
	}
	return false
}

// keepJar copies a jar without foreign libraries, gives it the image's fixed time, and returns its hash. Files in it
// are copied as they are, so the same jar gives the same bytes.
func keepJar(source, target, arch string) (sum string, err error) {
	in, err := zip.OpenReader(source)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	base := filepath.Base(source)
	foreign := func(f *zip.File) bool { return foreignEntry(base, f.Name, arch) }
	if !slices.ContainsFunc(in.File, foreign) {
		err = os.Rename(source, target)
	} else {
		err = trimJar(&in.Reader, target, foreign)
	}
	if err != nil {
		return "", err
	}
	if err := setEpoch(target); err != nil {
		return "", err
	}
	return hashFile(target)
}

func trimJar(in *zip.Reader, target string, drop func(*zip.File) bool) (err error) {
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := zip.NewWriter(f)
	for _, member := range in.File {
		if drop(member) {
			continue
		}
		if err := copyMember(out, member); err != nil {
			return fmt.Errorf("%s: %w", member.Name, err)
		}
	}
	return out.Close()
}

// copyMember copies a file of a jar without unpacking it. Some tools write directories as compressed nothing, which cannot be
// copied so.
func copyMember(out *zip.Writer, member *zip.File) error {
	if !member.FileInfo().IsDir() {
		return out.Copy(member)
	}
	_, err := out.CreateHeader(&zip.FileHeader{Name: member.Name, Modified: member.Modified})
	return err
}

func setEpoch(name string) error {
	return os.Chtimes(name, time.Time{}, Epoch())
}

func hashFile(name string) (sum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
