package image

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// trainingSources are the Java sources that are run while the image is built.
//
//go:embed training/*.java
var trainingSources embed.FS

// confSources are Spark's configuration in the image.
//
//go:embed conf
var confSources embed.FS

// classArchive is the archive of prepared classes inside the image.
const classArchive = SparkHome + "/cds/spark.jsa"

// archiveOptions make a JVM use the archive. Without the last two every JVM of JDK 17 would relocate it, and pay with a
// private copy of 100 MB.
func archiveOptions() []string {
	return []string{"-XX:SharedArchiveFile=" + classArchive, "-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0"}
}

// launch is what the entry point reads from launch.json.
type launch struct {
	ModuleOptions  []string `json:"moduleOptions"`
	ArchiveOptions []string `json:"archiveOptions"`
}

// runtime returns the stage of the layer that makes the jars startable.
func (b sparkBuild) runtime(ctx context.Context, jars sparkJars) (string, error) {
	entrypoint, err := b.program(ctx, "entrypoint")
	if err != nil {
		return "", err
	}
	conf, err := sparkConf()
	if err != nil {
		return "", err
	}
	question, err := fs.ReadFile(trainingSources, "training/ModuleOptions.java")
	if err != nil {
		return "", err
	}
	key := newStageKey(b.kind("runtime"))
	key.add("entrypoint", filepath.Base(filepath.Dir(entrypoint)))
	key.add("jars", jars.manifest)
	key.add("jdk", b.jdk.version)
	key.add("question", string(question))
	key.add("archive", strings.Join(archiveOptions(), " "))
	for _, c := range conf {
		key.add(c.name, string(c.data))
	}
	return b.make(ctx, stage{
		kind: b.kind("runtime"), key: key.sum(), why: "entry point and configuration",
		build: func(ctx context.Context, dir string) error {
			options, err := b.moduleOptions(ctx, dir, jars, question)
			if err != nil {
				return fmt.Errorf("ask Spark for its Java options: %w", err)
			}
			return writeRuntime(dir, entrypoint, options, conf)
		},
	})
}

// moduleOptions asks this version of Spark which options it gives its JVMs.
func (b sparkBuild) moduleOptions(ctx context.Context, dir string, jars sparkJars, question []byte) ([]string, error) {
	source := filepath.Join(dir, "ModuleOptions.java")
	if err := os.WriteFile(source, question, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.jdk.tool("java"), "-cp", filepath.Join(jars.dir, "*"), source)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	if err := os.Remove(source); err != nil {
		return nil, err
	}
	options := strings.Fields(string(out))
	if len(options) == 0 {
		return nil, fmt.Errorf("%s printed nothing", strings.Join(cmd.Args, " "))
	}
	return options, nil
}

func writeRuntime(dir, entrypoint string, options []string, conf []source) error {
	program, err := file(SparkEntrypoint[1:], entrypoint, 0o755)
	if err != nil {
		return err
	}
	facts, err := json.MarshalIndent(launch{ModuleOptions: options, ArchiveOptions: archiveOptions()}, "", "  ")
	if err != nil {
		return err
	}
	home := SparkHome[1:]
	entries := []entry{
		program,
		content(path.Join(home, "launch.json"), 0o644, append(facts, '\n')),
		symlink(path.Join(home, "bin", "spark-class"), SparkEntrypoint),
		symlink(path.Join(home, "bin", "spark-submit"), SparkEntrypoint),
		symlink(SparkDecommission[1:], SparkEntrypoint),
	}
	for _, c := range conf {
		entries = append(entries, content(path.Join(home, "conf", c.name), 0o644, c.data))
	}
	root := filepath.Join(dir, rootDir)
	for _, e := range entries {
		if err := materialise(root, e); err != nil {
			return err
		}
	}
	return writeLayer(dir, entries)
}

// sparkConf returns the files of Spark's configuration directory.
func sparkConf() ([]source, error) {
	entries, err := fs.ReadDir(confSources, "conf")
	if err != nil {
		return nil, err
	}
	var conf []source
	for _, e := range entries {
		data, err := fs.ReadFile(confSources, path.Join("conf", e.Name()))
		if err != nil {
			return nil, err
		}
		conf = append(conf, source{e.Name(), data})
	}
	return conf, nil
}
