package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Paths inside the Spark image that others rely on. They are those of Spark's official image, with the workloads added.
const (
	// SparkHome is where Spark lies: jars, conf, bin/spark-submit, bin/spark-class.
	SparkHome = "/opt/spark"
	// SparkEntrypoint is the program with the roles driver and executor. The image's entry point names it, so a pod gives
	// only args.
	SparkEntrypoint = "/opt/entrypoint.sh"
	// SparkDecommission is what Spark's driver makes the preStop hook of executors when spark.decommission.enabled is set.
	SparkDecommission = "/opt/decom.sh"
	// WorkloadsJar holds the applications of this repository; "local://" + WorkloadsJar is what to submit.
	WorkloadsJar = "/opt/spark/workloads/workloads.jar"
	// SparkUser is the numeric user and group that the image runs as.
	SparkUser = 185

	sparkRepository = "docker.io/sparkchaos/spark"
	javaHome        = "/opt/java/openjdk"
)

// SparkVariant is an image of Spark that can be built.
type SparkVariant struct {
	Version string // of Spark, as 3.5.9; empty: the one that the workloads are built with
	Python  bool   // with Python and Spark's Python part
}

// SparkReference names the image of a variant whose version is given.
func SparkReference(v SparkVariant) string { return sparkRepository + ":" + v.tag() }

func (v SparkVariant) tag() string {
	if v.Python {
		return v.Version + "-python"
	}
	return v.Version
}

// name of the variant in the cache. That of the default is as it was when there was no other.
func (v SparkVariant) name() string {
	switch {
	case v == SparkVariant{}:
		return "spark"
	case v.Version == "":
		return "spark-python"
	default:
		return "spark-" + v.tag()
	}
}

// Arguments are those of "sparkchaos image build" for the variant.
func (v SparkVariant) Arguments() string {
	words := "spark"
	if v.Version != "" {
		words += " --spark " + v.Version
	}
	if v.Python {
		words += " --python"
	}
	return words
}

// StagedJar is the file name of an application that no image holds: pods have to fetch it from a staging server.
const StagedJar = "staged-wordcount.jar"

// WitnessJar is the file name of the witness plugin, for each supported Spark and Scala. Pods get it whatever their image.
const WitnessJar = "witness.jar"

// jarName is by which a jar is remembered for those who have no checkout.
func jarName(jar string) string { return strings.TrimSuffix(jar, ".jar") }

// Staged returns the path of [StagedJar], which is built together with the workloads of [Spark]. Without a checkout the
// one made last is returned, if there is one.
func Staged(ctx context.Context, env Env) (string, error) { return env.jar(ctx, StagedJar) }

// Witness returns the path of [WitnessJar], as [Staged] does.
func Witness(ctx context.Context, env Env) (string, error) { return env.jar(ctx, WitnessJar) }

// jar returns the path of one of the jars that are made beside the image's layer of workloads.
func (e Env) jar(ctx context.Context, name string) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	if e.Checkout == "" {
		made, err := e.last(jarName(name))
		return made.Path, err
	}
	project, err := readProject(filepath.Join(e.Checkout, "workloads"))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	source, err := project.source()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if dir, found := e.prebuilt(workloadsName, source); found {
		return filepath.Join(dir, name), nil
	}
	b := sparkBuild{Env: e, project: project}
	if b.jdk, err = findJDK(os.Getenv); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	dir, err := b.workloads(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return filepath.Join(dir, name), e.rememberJars(dir)
}

// rememberJars notes the jars in a stage of workloads for those who have no checkout.
func (e Env) rememberJars(dir string) error {
	var problems []error
	for _, jar := range []string{StagedJar, WitnessJar} {
		problems = append(problems, e.remember(jarName(jar), Archive{Path: filepath.Join(dir, jar)}))
	}
	return errors.Join(problems...)
}

// Spark returns the image with Java, Spark and the workloads. Each layer is built again only if its own inputs change: a new set
// of jars needs Maven, a JDK 17 and about two minutes, a change of workload code needs seconds. Without a checkout it returns
// the image that was built last, if there is one.
//
// The layers are, from the bottom:
//
//	Java and the C library of this machine
//	Spark's jars
//	the entry point with its configuration
//	the archive of prepared classes, with which a JVM starts in a third of the time
//	Python, if it is wanted, and Spark's Python part
//	the workloads
func Spark(ctx context.Context, env Env) (Archive, error) {
	return SparkVariant{}.Build(ctx, env)
}

// Build returns the image of a variant, as [Spark] does that of the default. Other versions than the workloads' own are built of Spark's
// releases, see [Releases], which takes pip instead of Maven; the workloads in them are the same.
func (v SparkVariant) Build(ctx context.Context, env Env) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	if env.Checkout == "" {
		return env.lastOf(v.name(), "image "+v.name(), v.Arguments())
	}
	project, err := readProject(filepath.Join(env.Checkout, "workloads"))
	if err != nil {
		return Archive{}, fmt.Errorf("image of Spark: %w", err)
	}
	b := sparkBuild{Env: env, project: project, variant: v}
	b.variant.Version = cmp.Or(v.Version, project.sparkVersion)
	if archive, found := b.received(); found {
		return archive, nil
	}
	archive, err := b.image(ctx)
	if err != nil {
		return Archive{}, fmt.Errorf("image of Spark %s: %w", b.variant.Version, err)
	}
	return archive, errors.Join(env.remember(v.name(), archive), env.remember(b.variant.name(), archive))
}

// sparkBuild is one build of the Spark image.
type sparkBuild struct {
	Env
	project project
	jdk     jdk
	variant SparkVariant // with its version
}

// received returns the image that another machine made of the same sources. Only that of the default is made elsewhere.
func (b sparkBuild) received() (Archive, bool) {
	if !b.own() || b.variant.Python {
		return Archive{}, false
	}
	source, err := b.project.source()
	if err != nil {
		return Archive{}, false // building says why
	}
	return b.prebuiltArchive("spark", source)
}

// own reports whether the version is the one that the workloads are built with.
func (b sparkBuild) own() bool { return b.variant.Version == b.project.sparkVersion }

// kind names the stages that each version of Spark has of its own, so that no version takes the place of another in the cache.
func (b sparkBuild) kind(what string) string {
	if b.own() {
		return "spark-" + what
	}
	return "spark-" + b.variant.Version + "-" + what
}

// image makes the layers from the bottom to the top and puts them together.
func (b sparkBuild) image(ctx context.Context) (Archive, error) {
	jdk, err := findJDK(os.Getenv)
	if err != nil {
		return Archive{}, err
	}
	b.jdk = jdk
	base, err := b.base(ctx)
	if err != nil {
		return Archive{}, err
	}
	jars, err := b.jars(ctx)
	if err != nil {
		return Archive{}, err
	}
	runtime, err := b.runtime(ctx, jars)
	if err != nil {
		return Archive{}, err
	}
	classes, err := b.classes(ctx, base, jars, runtime)
	if err != nil {
		return Archive{}, err
	}
	workloads, err := b.workloads(ctx)
	if err == nil {
		err = b.rememberJars(workloads)
	}
	if err != nil {
		return Archive{}, err
	}
	dirs := []string{base, jars.layer, runtime, classes}
	if b.variant.Python {
		python, err := b.pythonLayers(ctx, base)
		if err != nil {
			return Archive{}, err
		}
		dirs = append(dirs, python...)
	}
	var layers []storedLayer
	for _, dir := range append(dirs, workloads) {
		layer, err := openLayer(dir)
		if err != nil {
			return Archive{}, err
		}
		layers = append(layers, layer)
	}
	kind := b.kind("image")
	if b.variant.Python {
		kind = b.kind("python" + imageKind)
	}
	return b.archiveStage(ctx, kind, SparkReference(b.variant), sparkConfig(), layers...)
}

func sparkConfig() v1.Config {
	return v1.Config{
		Entrypoint: []string{SparkEntrypoint},
		WorkingDir: SparkHome + "/work-dir",
		User:       fmt.Sprint(SparkUser),
		Env: []string{
			"JAVA_HOME=" + javaHome,
			"LC_ALL=C.UTF-8",
			"PATH=" + SparkHome + "/bin:" + javaHome + "/bin:/usr/bin:/bin",
			"SPARK_HOME=" + SparkHome,
		},
	}
}
