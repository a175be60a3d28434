package image

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// project is the Maven module that names Spark's version and holds the workloads.
type project struct {
	dir          string
	pom          []byte
	sparkVersion string
	jars         jarSums // that Maven may fetch
}

// readProject reads what is needed of a Maven module.
func readProject(dir string) (project, error) {
	file := filepath.Join(dir, "pom.xml")
	pom, err := os.ReadFile(file)
	if err != nil {
		return project{}, fmt.Errorf("the checkout holds no workloads: %w", err)
	}
	version, err := sparkVersion(pom)
	if err != nil {
		return project{}, fmt.Errorf("%s: %w", file, err)
	}
	jars, err := readJarSums(filepath.Join(dir, jarsLock))
	if err != nil {
		return project{}, err
	}
	return project{dir: dir, pom: pom, sparkVersion: version, jars: jars}, nil
}

// sparkVersion returns the property spark.version of a pom.
func sparkVersion(pom []byte) (string, error) {
	var document struct {
		Properties struct {
			Version string `xml:"spark.version"`
		} `xml:"properties"`
	}
	if err := xml.Unmarshal(pom, &document); err != nil {
		return "", err
	}
	version := strings.TrimSpace(document.Properties.Version)
	if version == "" || strings.ContainsAny(version, "${}/: ") {
		return "", fmt.Errorf("the property spark.version is %q, but a version such as 4.1.0 is needed", version)
	}
	return version, nil
}

// mavenOptions are those of each call. Maven only warns of a wrong checksum unless it is told to be strict, and says nothing
// when it is told to be quiet.
func mavenOptions() []string {
	return []string{"--batch-mode", "--no-transfer-progress", "--quiet", "--strict-checksums"}
}

// maven runs Maven in a directory.
func maven(ctx context.Context, dir string, args ...string) error {
	tool, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("maven is needed to get Spark's jars and to build the workloads (Debian: apt-get install maven): %w", err)
	}
	cmd := exec.CommandContext(ctx, tool, append(mavenOptions(), args...)...)
	cmd.Dir = dir
	// Maven runs for seconds: Java's first compiler alone makes that half of them.
	cmd.Env = append(os.Environ(), "MAVEN_OPTS="+strings.TrimSpace("-XX:TieredStopAtLevel=1 "+os.Getenv("MAVEN_OPTS")))
	return run(cmd)
}

// mainSources lists the files that the workloads' jar is made of, relative to the module, in lexical order.
func (p project) mainSources() ([]string, error) {
	var files []string
	err := filepath.WalkDir(filepath.Join(p.dir, "src", "main"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.dir, path)
		files = append(files, rel)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return nil, fmt.Errorf("%s holds no sources of workloads", filepath.Join(p.dir, "src", "main"))
	}
	return files, err
}

// workloadsFormat changes when the same sources are to be built or packed in another way.
const workloadsFormat = "3"

// workloads returns the stage of the layer that holds the workloads' jar and the libraries that it brings itself.
func (b sparkBuild) workloads(ctx context.Context) (string, error) {
	files, err := b.project.mainSources()
	if err != nil {
		return "", err
	}
	key := newStageKey("spark-workloads")
	key.add("format", workloadsFormat)
	key.add("pom", string(b.project.pom))
	key.add("sums", string(b.project.jars.format()))
	key.add("jdk", b.jdk.version)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(b.project.dir, f))
		if err != nil {
			return "", err
		}
		key.add(f, string(data))
	}
	return b.make(ctx, stage{
		kind: "spark-workloads", key: key.sum(), why: "mvn package",
		build: func(ctx context.Context, dir string) error { return b.project.buildWorkloads(ctx, dir, files) },
	})
}

// buildWorkloads builds in a copy, so that nothing is left in the checkout and nobody who builds there is disturbed.
func (p project) buildWorkloads(ctx context.Context, dir string, files []string) error {
	work := filepath.Join(dir, "src")
	for _, f := range append([]string{"pom.xml"}, files...) {
		data, err := os.ReadFile(filepath.Join(p.dir, f))
		if err != nil {
			return err
		}
		target := filepath.Join(work, f)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			return err
		}
	}
	libraries := filepath.Join(work, "target", "lib")
	err := maven(ctx, work, "-Dmaven.test.skip=true", "package",
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+libraries)
	if err != nil {
		return err
	}
	jar, err := file(WorkloadsJar[1:], filepath.Join(work, "target", filepath.Base(WorkloadsJar)), 0o644)
	if err != nil {
		return fmt.Errorf("the pom's finalName must be workloads: %w", err)
	}
	for classifier, name := range map[string]string{"staged": StagedJar, "witness": WitnessJar} {
		made := filepath.Join(work, "target", strings.TrimSuffix(filepath.Base(WorkloadsJar), ".jar")+"-"+classifier+".jar")
		if err := os.Rename(made, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("the pom must make another jar with the classifier %s: %w", classifier, err)
		}
	}
	own, err := sumJars(libraries)
	if err != nil {
		return err
	}
	if err := p.jars.check(own); err != nil {
		return err
	}
	entries := []entry{jar}
	if exists(libraries) {
		own, err := tree(filepath.Dir(WorkloadsJar[1:]), libraries)
		if err != nil {
			return err
		}
		entries = append(entries, own...)
	}
	if err := writeLayer(dir, entries); err != nil {
		return err
	}
	return os.RemoveAll(work)
}
