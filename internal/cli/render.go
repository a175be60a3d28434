package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newRenderCommand returns the command that prints a scenario's workload as manifests.
func newRenderCommand(getenv func(string) string) *cobra.Command {
	var env launcher.Environment
	var plainSecrets bool
	command := &cobra.Command{
		Use:   "render SCENARIO",
		Short: "Print the Kubernetes manifests of a scenario's workload, for kubectl apply",
		Long: `Print the Kubernetes manifests of a scenario's workload, as a run would create them. Use them to review a workload or to run
it without sparkchaos ("sparkchaos render SCENARIO | kubectl apply -f -"). The witness is left out unless a flag says where
it reports to. A workload with a staging server needs one more object: the secret "artifacts" with the keys id, secret and
sha256, which "sparkchaos staging upload" prints. Secret values that the scenario names by {fromEnv} or {fromFile} are not
printed: the secret "spark-secret-conf" needs the key secret.properties, a properties file with these settings.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			s, err := loadScenario(args[0], plainSecretsOption(plainSecrets)...)
			if err != nil {
				return err
			}
			scenario.Default(s)
			s.Spec.Workload.Output = nil // nobody reads it
			if env.RunID == "" {
				env.RunID = s.Metadata.Name
			}
			if env.Namespace == "" {
				env.Namespace = "sparkchaos-" + s.Metadata.Name
			}
			if env.Image == "" && s.Spec.Workload.Image == "" {
				if env.Image, err = cachedImage(command, getenv, s.Spec.Workload); err != nil {
					return err
				}
			}
			if !s.Spec.Workload.Witnessed() {
				env.Witness = launcher.Witness{}
			}
			if env.Witness.Enabled() {
				if env.Witness.Jar, err = cachedWitness(command, getenv); err != nil {
					return err
				}
			}
			objects, err := launcher.Render(s.Spec.Workload, env, components.All())
			if err != nil {
				return withCode(ExitUsage, err)
			}
			manifests, err := objects.YAML()
			if err != nil {
				return err
			}
			_, err = command.OutOrStdout().Write(manifests)
			return err
		},
	}
	addEnvironmentFlags(command, &env)
	addPlainSecrets(command.Flags(), &plainSecrets)
	return command
}

func addEnvironmentFlags(command *cobra.Command, env *launcher.Environment) {
	flags := command.Flags()
	flags.StringVar(&env.RunID, "run-id", "", "value of the label "+launcher.RunLabel+" (default: the scenario's name)")
	flags.StringVar(&env.Namespace, "namespace", "", "namespace to create (default: sparkchaos- and the scenario's name)")
	flags.StringVar(&env.Image, "image", "", "Spark image, if the scenario names none (default: the one that was built last on this machine)")
	flags.StringVar((*string)(&env.PullPolicy), "pull-policy", string(corev1.PullIfNotPresent), "Always, IfNotPresent or Never")
	flags.StringVar(&env.StorageClass, "storage-class", "", "of the shared volume, ReadWriteMany (default: the cluster's default class)")
	flags.StringVar(&env.LocalStorageClass, "local-storage-class", "", "of volumes on one node's disk, ReadWriteOnce, for a workload whose "+
		"storage is local (default: the cluster's default class)")
	flags.StringVar(&env.NodeDirectory, "node-dir", "",
		"directory on each node's own disk, for a workload whose storage is node; it must exist there and be writable for every user")
	flags.StringVar(&env.ShuffleDirectory, "shuffle-dir", "",
		"directory on each node's own disk, for a workload with a shuffle service; it must exist there and be writable for every user")
	flags.StringVar(&env.PodImage, "pod-image", image.StagingReference, "image of the program that sparkchaos runs in pods, for a "+
		"workload with a staging server")
	flags.StringVar(&env.PodImage, "staging-image", image.StagingReference, "deprecated, use --pod-image")
	_ = flags.MarkHidden("staging-image") // not MarkDeprecated, which would print among the manifests
	flags.StringVar(&env.Witness.URL, "witness-url", "", "http://host:port to which drivers and executors report")
	flags.StringVar(&env.Witness.Directory, "witness-dir", "",
		"directory on each node to which they report; it must exist there and be writable for every user")
	flags.DurationVar(&env.Witness.Interval, "witness-interval", 0, "between heartbeats (default: the plugin's)")
	flags.StringVar(&env.Source.URL, "source-url", "", "http://host:port of the word source, $(SPARKCHAOS_SOURCE_URL) in the "+
		"application's arguments")
	flags.StringVar(&env.Source.Host, "source-host", "", "of the word source by TCP, $(SPARKCHAOS_SOURCE_HOST)")
	flags.IntVar(&env.Source.Port, "source-port", 0, "of the word source by TCP, $(SPARKCHAOS_SOURCE_PORT)")
}

// cachedWitness reads the plugin that was built last; none is built here.
func cachedWitness(command *cobra.Command, getenv func(string) string) ([]byte, error) {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return nil, err
	}
	jar, err := image.Witness(command.Context(), image.Env{Cache: cache})
	if err != nil {
		return nil, fmt.Errorf("no witness to report with: %w", err)
	}
	return os.ReadFile(jar)
}

// cachedImage names the image of a workload that was built last; none is built here.
func cachedImage(command *cobra.Command, getenv func(string) string, w scenario.Workload) (string, error) {
	if w.ImageArchive != "" {
		return "", usagef("spec.workload.imageArchive: manifests name an image, and that of %s is in a file: "+
			"push it to a registry and name it with --image", w.ImageArchive)
	}
	cache, err := paths.Cache(getenv)
	if err != nil {
		return "", err
	}
	spark := w.BuiltSpark()
	variant := image.SparkVariant{Version: spark.Version, Python: spark.Python}
	archive, err := variant.Build(command.Context(), image.Env{Cache: cache})
	if err != nil {
		return "", fmt.Errorf("no image to run; build it, or name one with --image: %w", err)
	}
	return archive.Reference, nil
}
