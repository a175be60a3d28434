package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// baseFormat changes when the base layer is to be made otherwise of the same files.
const baseFormat = "1"

// modules of Java that Spark's driver, executors, shuffle service, SQL and streams were found to need. The JVM of an executor
// does not start without jdk.incubator.vector, which Spark asks for on its command line.
func modules() []string {
	return []string{
		"java.base", "java.compiler", "java.datatransfer", "java.desktop", "java.instrument", "java.logging", "java.management",
		"java.naming", "java.net.http", "java.prefs", "java.rmi", "java.scripting", "java.security.jgss", "java.security.sasl",
		"java.sql", "java.sql.rowset", "java.transaction.xa", "java.xml", "java.xml.crypto", "jdk.attach", "jdk.crypto.ec",
		"jdk.httpserver", "jdk.incubator.vector", "jdk.jcmd", "jdk.jfr", "jdk.management", "jdk.management.agent",
		"jdk.naming.dns", "jdk.net", "jdk.sctp", "jdk.security.auth", "jdk.security.jgss", "jdk.unsupported", "jdk.zipfs",
	}
}

// graphical libraries of Java need half of a desktop, and no Spark application paints on a screen.
func graphical() []string {
	return []string{
		"libawt_xawt.so", "libfontmanager.so", "libjavajpeg.so", "libjawt.so", "libjsound.so", "liblcms.so", "libsplashscreen.so",
	}
}

// tools are the few commands in the image: Hadoop's file system calls some of them (chmod, ls, id, readlink, bash, setsid), the
// others help who looks into a pod. The target's name comes first.
func tools() map[string]string {
	m := map[string]string{"sh": "dash"}
	for _, name := range []string{
		"bash", "cat", "chmod", "chown", "cp", "date", "df", "env", "head", "id", "ls", "mkdir", "mv", "readlink", "rm",
		"setsid", "sleep", "stat", "tail", "touch", "true",
	} {
		m[name] = name
	}
	return m
}

// loadedLater are libraries that no program of the image names but that are opened at run time: by Spark's native libraries,
// and by the C library to resolve names.
func loadedLater() []string {
	return []string{
		"libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0",
		"libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libz.so.1",
	}
}

// jdk is a JDK of this machine.
type jdk struct {
	home    string
	version string // its own description, the file "release"
}

// findJDK finds the JDK that JAVA_HOME names, or that of the jlink in the PATH.
func findJDK(getenv func(string) string) (jdk, error) {
	home := getenv("JAVA_HOME")
	if home == "" {
		tool, err := exec.LookPath("jlink")
		if err != nil {
			return jdk{}, fmt.Errorf("a JDK 17 is needed (Debian: apt-get install openjdk-17-jdk-headless; or set JAVA_HOME): %w", err)
		}
		real, err := filepath.EvalSymlinks(tool)
		if err != nil {
			return jdk{}, err
		}
		home = filepath.Dir(filepath.Dir(real))
	}
	release, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		return jdk{}, fmt.Errorf("%s is not the home of a JDK (Debian: apt-get install openjdk-17-jdk-headless): %w", home, err)
	}
	if !strings.Contains(string(release), `JAVA_VERSION="17.`) {
		return jdk{}, fmt.Errorf("%s is not a JDK 17, its file release says:\n%s", home, release)
	}
	for _, tool := range []string{"java", "javac", "jlink"} {
		if !exists(filepath.Join(home, "bin", tool)) {
			return jdk{}, fmt.Errorf("%s has no bin/%s: a whole JDK 17 is needed, not only its runtime", home, tool)
		}
	}
	return jdk{home: home, version: string(release)}, nil
}

func (j jdk) tool(name string) string { return filepath.Join(j.home, "bin", name) }

// hostFile is a file of this machine that goes into the image.
type hostFile struct {
	path   string // inside the image, slash-separated without a leading slash
	source string
	perm   fs.FileMode
}

// base returns the stage of the base layer: it holds the tree itself in root/, too.
func (b sparkBuild) base(ctx context.Context) (string, error) {
	files, err := hostFiles(b.jdk.home)
	if err != nil {
		return "", fmt.Errorf("base layer: %w", err)
	}
	key := newStageKey("spark-base")
	key.add("format", baseFormat)
	key.add("jdk", b.jdk.version)
	key.add("modules", strings.Join(modules(), ","))
	for _, f := range files {
		sum, err := hashFile(f.source)
		if err != nil {
			return "", fmt.Errorf("base layer: %w", err)
		}
		key.add(f.path, sum)
	}
	return b.make(ctx, stage{
		kind: "spark-base", key: key.sum(), why: "jlink",
		build: func(ctx context.Context, dir string) error { return buildBase(ctx, dir, b.jdk, files) },
	})
}

func buildBase(ctx context.Context, dir string, j jdk, files []hostFile) error {
	root := filepath.Join(dir, rootDir)
	java := filepath.Join(root, javaHome)
	if err := os.MkdirAll(filepath.Dir(java), 0o755); err != nil {
		return err
	}
	link := exec.CommandContext(ctx, j.tool("jlink"), "--no-header-files", "--no-man-pages",
		"--add-modules", strings.Join(modules(), ","), "--output", java)
	if err := run(link); err != nil {
		return err
	}
	for _, name := range graphical() {
		if err := os.Remove(filepath.Join(java, "lib", name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range files {
		if err := copyInto(root, f); err != nil {
			return err
		}
	}
	entries, err := tree(".", root)
	if err != nil {
		return err
	}
	for _, e := range baseEntries() {
		if err := materialise(root, e); err != nil {
			return err
		}
	}
	if err := setEpochBelow(root); err != nil {
		return err
	}
	return writeLayer(dir, append(entries, baseEntries()...))
}

// baseEntries are the files and directories of the base that come from nowhere else.
func baseEntries() []entry {
	spark := owner{SparkUser, SparkUser}
	return []entry{
		directory("dev", 0o755, owner{}),
		content("etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nspark:x:%d:\n", SparkUser)),
		content("etc/nsswitch.conf", 0o644, []byte("hosts: files dns\n")),
		content("etc/passwd", 0o644, fmt.Appendf(nil,
			"root:x:0:0:root:/root:/bin/sh\nspark:x:%d:%d:spark:%s/work-dir:/bin/sh\n", SparkUser, SparkUser, SparkHome)),
		directory(path.Join(SparkHome[1:], "work-dir"), 0o775, spark),
		directory("proc", 0o755, owner{}),
		directory("root", 0o700, owner{}),
		directory("sys", 0o755, owner{}),
		directory("tmp", 0o1777, owner{}),
	}
}

// hostFiles lists the files of this machine that the base layer takes: tools, libraries, the loader, the UTF-8 locale.
func hostFiles(javaHome string) ([]hostFile, error) {
	var files []hostFile
	var problems []error
	for target, name := range tools() {
		source, err := exec.LookPath(name)
		if err != nil {
			problems = append(problems, fmt.Errorf("the image's /bin/%s: %w", target, err))
			continue
		}
		files = append(files, hostFile{path.Join("bin", target), source, 0o755})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	objects := []string{filepath.Join(javaHome, "bin", "java")}
	for _, f := range files {
		objects = append(objects, f.source)
	}
	err := filepath.WalkDir(filepath.Join(javaHome, "lib"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(p) == ".so" && d.Type().IsRegular() && !slices.Contains(graphical(), d.Name()) {
			objects = append(objects, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	libraries, err := closure(objects, loadedLater(), filepath.Join(javaHome, "lib"))
	if err != nil {
		return nil, err
	}
	files = append(files, libraries...)
	files = append(files, locale("/usr/lib/locale/C.utf8")...)
	slices.SortFunc(files, func(a, b hostFile) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// locale takes the directory of a locale, if this machine keeps it as one; without it Java falls back to ASCII file names.
func locale(dir string) []hostFile {
	var files []hostFile
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, hostFile{strings.TrimPrefix(filepath.ToSlash(p), "/"), p, 0o644})
		}
		return nil
	})
	return files
}

// libraryDirs are where the dynamic loaders of the usual distributions look without being told.
func libraryDirs() []string {
	return []string{
		"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib64", "/usr/lib64", "/lib", "/usr/lib",
	}
}

// closure returns all libraries that ELF files need, directly or not, and their loader. Libraries that lie below private come
// with Java itself and are only followed.
func closure(objects, named []string, private string) ([]hostFile, error) {
	found := map[string]string{} // path in the image → source
	seen := map[string]bool{}
	var problems []error
	var need func(library, by string)
	visit := func(object string) {
		if seen[object] {
			return
		}
		seen[object] = true
		libraries, loader, err := elfNeeds(object)
		if err != nil {
			problems = append(problems, err)
			return
		}
		if loader != "" {
			found[strings.TrimPrefix(loader, "/")] = loader
		}
		for _, l := range libraries {
			need(l, object)
		}
	}
	need = func(library, by string) {
		if exists(filepath.Join(private, library)) || exists(filepath.Join(private, "server", library)) {
			return
		}
		source, ok := findLibrary(library)
		if !ok {
			problems = append(problems, fmt.Errorf("library %s, needed by %s, is in none of %s", library, by, strings.Join(libraryDirs(), ", ")))
			return
		}
		found[strings.TrimPrefix(source, "/")] = source
		visit(source)
	}
	for _, o := range objects {
		visit(o)
	}
	for _, n := range named {
		need(n, "libraries that are loaded at run time")
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var files []hostFile
	for target, source := range found {
		files = append(files, hostFile{target, source, 0o755})
	}
	return files, nil
}

func findLibrary(name string) (string, bool) {
	for _, dir := range libraryDirs() {
		if file := filepath.Join(dir, name); exists(file) {
			return file, true
		}
	}
	return "", false
}
