package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// workloadsName is the name under which the jars that are built with the image of Spark are prebuilt.
const workloadsName = "workloads"

// Prebuilt is an image, or the jars that are built with one, that another machine may make.
type Prebuilt struct {
	// Name is pause, toolbox, pod, spark or workloads.
	Name string
	// Source is a digest of all that belongs to sparkchaos of what it is built from. The compiler, the JDK and libraries of the machine are no
	// part of it.
	Source string
	// Stage is the key of the directory in the cache.
	Stage string
}

// prebuiltKinds returns the kinds of stages that can be prebuilt, by name.
func prebuiltKinds() map[string]string {
	return map[string]string{
		"pause": "pause" + imageKind, "toolbox": "toolbox" + imageKind, podName: podName + imageKind, "spark": "spark" + imageKind,
		workloadsName: "spark-workloads",
	}
}

// PrebuiltNames returns what every scenario needs, in the order in which it is built.
func PrebuiltNames() []string { return []string{"pause", "toolbox", podName, "spark", workloadsName} }

// Lacking returns the names of what every scenario needs and the cache has in no version.
func Lacking(env Env) ([]string, error) {
	var names []string
	for _, name := range PrebuiltNames() {
		stages, err := filepath.Glob(filepath.Join(env.kindDir(prebuiltKinds()[name]), "*"))
		if err != nil {
			return nil, err
		}
		half := func(stage string) bool { return strings.HasPrefix(filepath.Base(stage), buildingPrefix) }
		if len(slices.DeleteFunc(stages, half)) == 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

// Directory returns where it lies.
func (p Prebuilt) Directory(env Env) string {
	return filepath.Join(env.kindDir(prebuiltKinds()[p.Name]), p.Stage)
}

// Verify reads all of its files and compares them with their digests.
func (p Prebuilt) Verify(env Env) error { return env.files(p.Directory(env)).Verify() }

// Build builds, or finds in the cache, what every scenario needs.
func Build(ctx context.Context, env Env) ([]Prebuilt, error) {
	builders := map[string]func(context.Context, Env) (string, error){
		"pause": archivePath(Pause), "toolbox": archivePath(Toolbox), podName: archivePath(Staging), "spark": archivePath(Spark),
		workloadsName: Staged,
	}
	var all []Prebuilt
	var problems []error
	for _, name := range PrebuiltNames() {
		source, err := Source(ctx, env, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		file, err := builders[name](ctx, env)
		problems = append(problems, err)
		all = append(all, Prebuilt{Name: name, Source: source, Stage: filepath.Base(filepath.Dir(file))})
	}
	return all, errors.Join(problems...)
}

func archivePath(build func(context.Context, Env) (Archive, error)) func(context.Context, Env) (string, error) {
	return func(ctx context.Context, env Env) (string, error) {
		archive, err := build(ctx, env)
		return archive.Path, err
	}
}

// Source returns what Prebuilt.Source must be for this program and checkout. It is empty if there is no checkout to compare with.
func Source(ctx context.Context, env Env, name string) (string, error) {
	switch name {
	case "pause":
		return pauseSpec().source()
	case "toolbox":
		return toolboxSpec().source()
	}
	switch {
	case prebuiltKinds()[name] == "":
		return "", fmt.Errorf("nothing is prebuilt under the name %q; the names are %s", name, strings.Join(PrebuiltNames(), ", "))
	case env.Checkout == "":
		return "", nil
	case name == podName:
		goTool, err := exec.LookPath("go")
		if err != nil {
			return "", fmt.Errorf("there is no Go toolchain to tell which files of the checkout the image %s is built from: %w", name, err)
		}
		key, err := moduleBuild{Env: env, goTool: goTool}.key(ctx)
		if err != nil {
			return "", err
		}
		return key.sum(), nil
	default:
		project, err := readProject(filepath.Join(env.Checkout, "workloads"))
		if err != nil {
			return "", err
		}
		return project.source()
	}
}

// source is the digest of an embedded program and of the image around it.
func (s programSpec) source() (string, error) {
	sources, err := sourcesOf(s.name)
	key := newStageKey("prebuilt-" + s.name)
	key.add("platform", runtime.GOARCH)
	key.add("format", programFormat)
	key.add("image", fmt.Sprintf("%q %q %+v", s.reference, s.path, s.config))
	for _, d := range s.dirs {
		key.add("directory", fmt.Sprint(d.path, d.mode))
	}
	for _, file := range sources {
		key.add(file.name, string(file.data))
	}
	return key.sum(), err
}

// source is the digest of all that belongs to sparkchaos of the image of Spark and of the jars that are built with it.
func (p project) source() (string, error) {
	files, err := p.mainSources()
	if err != nil {
		return "", err
	}
	entrypoint, err := sourcesOf("entrypoint")
	if err != nil {
		return "", err
	}
	configuration, err := sparkConf()
	if err != nil {
		return "", err
	}
	key := newStageKey("prebuilt-spark")
	key.add("platform", runtime.GOARCH)
	key.add("formats", strings.Join([]string{workloadsFormat, jarsFormat, baseFormat, classesFormat, programFormat}, " "))
	key.add("image", fmt.Sprintf("%+v %q %q", sparkConfig(), modules(), archiveOptions()))
	key.add("pom", string(p.pom))
	key.add("sums", string(p.jars.format()))
	for _, file := range append(entrypoint, configuration...) {
		key.add(file.name, string(file.data))
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(p.dir, file))
		if err != nil {
			return "", err
		}
		key.add(file, string(data))
	}
	return key.sum(), nil
}

func (e Env) prebuiltFile(name, source string) string {
	return filepath.Join(e.images(), "prebuilt", name+"-"+source+".json")
}

// prebuilt returns the directory of what was received for these sources. It is not there, or not as it was made, if there is none.
func (e Env) prebuilt(name, source string) (dir string, found bool) {
	var p Prebuilt
	if source == "" || readJSON(e.prebuiltFile(name, source), &p) != nil || p.check() != nil || p.Name != name {
		return "", false
	}
	dir = p.Directory(e)
	return dir, e.usable(dir) == nil
}

// prebuiltArchive is prebuilt for an image.
func (e Env) prebuiltArchive(name, source string) (Archive, bool) {
	dir, found := e.prebuilt(name, source)
	if !found {
		return Archive{}, false
	}
	archive, err := openArchive(dir)
	return archive, err == nil
}

// check refuses what cannot be a stage: the names come from elsewhere.
func (p Prebuilt) check() error {
	if key := regexp.MustCompile(`^[0-9a-f]{24}$`); prebuiltKinds()[p.Name] == "" || !key.MatchString(p.Source) ||
		!key.MatchString(p.Stage) {
		return fmt.Errorf("%q with the source %q and the stage %q is no image that can be received", p.Name, p.Source, p.Stage)
	}
	return nil
}

// Has reports whether the cache has it, as it was made.
func (p Prebuilt) Has(env Env) bool {
	dir, found := env.prebuilt(p.Name, p.Source)
	return found && dir == p.Directory(env)
}

// Receive puts what another machine made into the cache, and has builders of the same sources use it. The function fills a directory; what
// it filled appears in the cache as a whole or not at all.
func Receive(ctx context.Context, env Env, p Prebuilt, fill func(ctx context.Context, dir string) error) error {
	if err := p.check(); err != nil {
		return err
	}
	dir, err := env.make(ctx, stage{
		kind: prebuiltKinds()[p.Name], key: p.Stage, why: "received", build: func(ctx context.Context, dir string) error {
			if err := fill(ctx, dir); err != nil {
				return err
			}
			return env.files(dir).Verify()
		},
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(env.prebuiltFile("", "")), 0o755); err != nil {
		return err
	}
	return errors.Join(writeJSON(env.prebuiltFile(p.Name, p.Source), p), env.rememberPrebuilt(p.Name, dir))
}

// rememberPrebuilt notes what was received for those who have no checkout.
func (e Env) rememberPrebuilt(name, dir string) error {
	switch name {
	case workloadsName:
		return e.rememberJars(dir)
	case "pause", "toolbox":
		return nil // their sources are embedded
	}
	archive, err := openArchive(dir)
	if err != nil {
		return err
	}
	_, version, _ := strings.Cut(filepath.Base(archive.Reference), ":")
	if name != "spark" {
		return e.remember(name, archive)
	}
	return errors.Join(e.remember(name, archive), e.remember(SparkVariant{Version: version}.name(), archive))
}
