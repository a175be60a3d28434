package stagingcli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/owners"
	"github.com/sparkchaos/sparkchaos/pkg/staging/server"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// The values of --clean-up.
const (
	cleanUpAuto       = "auto"           // as kubernetes inside a pod or with --kubeconfig, else as initial-access
	cleanUpKubernetes = "kubernetes"     // by owners, which Kubernetes knows
	cleanUpInitial    = "initial-access" // only what nobody ever downloaded
	cleanUpOff        = "off"
)

type serveFlags struct {
	listen, storage  string
	tlsCert, tlsKey  string
	cleanUp          string
	kubeconfig       string
	config           server.Config
	initial          time.Duration
	every, ownerless time.Duration
	grace            time.Duration
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve bundles until SIGTERM, then let transfers finish",
		Example: `  sparkchaos staging serve --storage file:///var/lib/bundles
  sparkchaos staging serve --storage 's3://bundles?region=eu-west-1'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
			return f.serve(command.Context(), log)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.listen, "listen", fmt.Sprintf(":%d", staging.DefaultPort), "address and port")
	flags.StringVar(&f.storage, "storage", "", "where bundles are kept: memory (lost when the process ends), or file:///DIRECTORY, s3://BUCKET, gs://BUCKET, azblob://CONTAINER")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "PEM file with the certificate to serve HTTPS with")
	flags.StringVar(&f.tlsKey, "tls-key", "", "PEM file with the certificate's key")
	flags.StringVar(&f.cleanUp, "clean-up", cleanUpAuto, "when bundles are removed: kubernetes (when nothing owns them), initial-access (only if never downloaded), off, or auto (kubernetes inside a pod or with --kubeconfig, else initial-access)")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "of the cluster that owners are looked for in; never taken from the environment, because in another cluster no bundle has an owner")
	flags.DurationVar(&f.initial, "initial-access", 30*time.Minute, "how long a bundle is kept that nobody downloads")
	flags.DurationVar(&f.every, "clean-up-every", 30*time.Second, "time between two sweeps")
	flags.DurationVar(&f.ownerless, "clean-up-grace", time.Minute, "how long a bundle must be without owner to be removed")
	flags.Int64Var(&f.config.MaxBundleBytes, "max-bundle-bytes", 4<<30, "larger uploads are refused")
	flags.IntVar(&f.config.MaxUploads, "max-uploads", 16, "more at a time are asked to come again")
	flags.DurationVar(&f.config.TransferTime, "transfer-time", 30*time.Minute, "how long one upload or download may take")
	flags.DurationVar(&f.config.StallTime, "stall-time", time.Minute, "how long a client may stand still")
	flags.DurationVar(&f.grace, "shutdown-grace", 20*time.Second, "how long transfers may take to finish after SIGTERM")
	return command
}

// check names all that is wrong with the flags.
func (f *serveFlags) check() error {
	var problems []error
	problem := func(format string, arguments ...any) { problems = append(problems, fmt.Errorf(format, arguments...)) }
	if f.storage == "" {
		problem("--storage is missing: memory forgets all when the process ends, file:///DIRECTORY does not")
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		problem("--tls-cert and --tls-key belong together: give both or none")
	}
	switch f.cleanUp {
	case cleanUpAuto, cleanUpKubernetes, cleanUpInitial, cleanUpOff:
	default:
		problem("--clean-up is %q, want %s, %s, %s or %s", f.cleanUp, cleanUpAuto, cleanUpKubernetes, cleanUpInitial, cleanUpOff)
	}
	for _, n := range []struct {
		flag  string
		value int64
	}{
		{"max-bundle-bytes", f.config.MaxBundleBytes}, {"max-uploads", int64(f.config.MaxUploads)},
		{"transfer-time", int64(f.config.TransferTime)}, {"stall-time", int64(f.config.StallTime)},
		{"initial-access", int64(f.initial)}, {"clean-up-every", int64(f.every)}, {"clean-up-grace", int64(f.ownerless)},
	} {
		if n.value <= 0 {
			problem("--%s must be above zero", n.flag)
		}
	}
	if len(problems) > 0 {
		return usagef("%w", errors.Join(problems...))
	}
	return nil
}

func (f *serveFlags) serve(ctx context.Context, log *slog.Logger) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	cleanUp, err := f.cleaning()
	if err != nil {
		return err
	}
	stored, err := store.Open(ctx, f.storage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	config := f.config
	config.Storage, config.Log, config.CleanUp = server.Stored(stored), log, cleanUp
	s, err := server.New(config)
	if err != nil {
		return err
	}
	listener, err := f.open()
	if err != nil {
		return err
	}
	log.Info("serving", "address", listener.Addr().String(), "storage", stored.String(), "tls", f.tlsCert != "", "cleanUp", f.cleanUp)
	return s.Serve(ctx, listener, f.grace)
}

func (f *serveFlags) open() (net.Listener, error) {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil || f.tlsCert == "" {
		return listener, err
	}
	certificate, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("certificate %s with key %s: %w", f.tlsCert, f.tlsKey, err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), nil
}

func (f *serveFlags) cleaning() (server.CleanUp, error) {
	c := server.CleanUp{Off: f.cleanUp == cleanUpOff, InitialAccess: f.initial, Every: f.every, Grace: f.ownerless}
	if f.cleanUp == cleanUpOff || f.cleanUp == cleanUpInitial {
		return c, nil
	}
	config, err := f.cluster()
	if errors.Is(err, rest.ErrNotInCluster) && f.cleanUp == cleanUpAuto {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("the clean-up needs a Kubernetes API (or --clean-up=%s): %w", cleanUpInitial, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return c, fmt.Errorf("client of the Kubernetes API: %w", err)
	}
	c.Owners = owners.New(client)
	return c, nil
}

func (f *serveFlags) cluster() (*rest.Config, error) {
	if f.kubeconfig != "" {
		return clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	}
	return rest.InClusterConfig()
}
