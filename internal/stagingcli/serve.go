package stagingcli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
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

const (
	// apiRate is how many questions a second the clean-up may ask the API server.
	apiRate = 50
	// metricsTime bounds one request for the metrics.
	metricsTime = 30 * time.Second
)

type serveFlags struct {
	listen, storage  string
	metricsListen    string
	tlsCert, tlsKey  string
	tokenFile        string
	cleanUp          string
	kubeconfig       string
	config           server.Config
	initial          time.Duration
	every, ownerless time.Duration
	maxEntries       int
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
	flags.StringVar(&f.storage, "storage", "", "storage of bundles: memory (lost when the process ends), or file:///DIRECTORY, "+
		"s3://BUCKET, gs://BUCKET, azblob://CONTAINER")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "PEM file with the certificate to serve HTTPS with")
	flags.StringVar(&f.tlsKey, "tls-key", "", "PEM file with the certificate's key")
	flags.StringVar(&f.cleanUp, "clean-up", cleanUpAuto, "when bundles are removed: kubernetes (when nothing owns them), initial-access "+
		"(only if never downloaded), off, or auto (kubernetes inside a pod or with --kubeconfig, else initial-access)")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "",
		"kubeconfig of the cluster in which owners are looked up; never taken from the environment, since in another cluster no bundle "+
			"has an owner")
	flags.DurationVar(&f.initial, "initial-access", 30*time.Minute, "how long to keep a bundle that is never downloaded")
	flags.DurationVar(&f.every, "clean-up-every", 30*time.Second, "time between two sweeps")
	flags.DurationVar(&f.ownerless, "clean-up-grace", time.Minute, "how long a bundle must be without an owner before it is removed")
	flags.Int64Var(&f.config.MaxBundleBytes, "max-bundle-bytes", 4<<30, "size limit of an upload")
	flags.IntVar(&f.config.MaxUploads, "max-uploads", 16, "limit of concurrent uploads; further clients are told to retry")
	flags.DurationVar(&f.config.TransferTime, "transfer-time", 30*time.Minute, "how long one upload or download may take")
	flags.DurationVar(&f.config.StallTime, "stall-time", time.Minute, "how long a client may stall before it is disconnected")
	flags.Int64Var(&f.config.MinRate, "min-rate", 8<<10, "minimum transfer rate of a client, in bytes per second")
	flags.DurationVar(&f.config.SlowTime, "slow-time", time.Minute, "how long a client may be slower than --min-rate before it is "+
		"disconnected")
	flags.IntVar(&f.config.MaxUploadsPerClient, "max-uploads-per-client", 0,
		"limit of concurrent uploads per client address; 0 means a quarter of --max-uploads")
	flags.Int64Var(&f.config.MaxStoreBytes, "max-store-bytes", 0,
		"limit of the size of all bundles; uploads beyond it are refused with 507; 0 means no limit")
	flags.Int64Var(&f.config.FreeSpaceReserve, "free-space-reserve", 256<<20,
		"bytes that must stay free on the disk; uploads that need them are refused with 507; 0 means no reserve")
	flags.StringVar(&f.tokenFile, "upload-token-file", "",
		"file with a token that uploads must present; without it anyone who can reach the server can upload")
	flags.StringSliceVar(&f.config.Namespaces, "owner-namespace", nil,
		"accept only bundles for pods in this namespace; may be repeated (default: all namespaces)")
	flags.IntVar(&f.maxEntries, "clean-up-entries", 2000,
		"number of bundles that one sweep examines, in addition to those that had no owner in the last sweep")
	flags.StringVar(&f.metricsListen, "metrics-listen", "",
		"address and port for /metrics alone, over plain HTTP (default: /metrics is served at --listen)")
	flags.DurationVar(&f.grace, "shutdown-grace", 20*time.Second, "how long transfers may take to finish after SIGTERM")
	return command
}

// check returns everything that is wrong with the flags.
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
		{"min-rate", f.config.MinRate}, {"slow-time", int64(f.config.SlowTime)}, {"clean-up-entries", int64(f.maxEntries)},
		{"initial-access", int64(f.initial)}, {"clean-up-every", int64(f.every)}, {"clean-up-grace", int64(f.ownerless)},
	} {
		if n.value <= 0 {
			problem("--%s must be above zero", n.flag)
		}
	}
	if f.config.MaxUploadsPerClient < 0 || f.config.MaxStoreBytes < 0 || f.config.FreeSpaceReserve < 0 {
		problem("--max-uploads-per-client, --max-store-bytes and --free-space-reserve must not be negative; 0 means the default or no bound")
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
	token, err := readToken("--upload-token-file", f.tokenFile)
	if err != nil {
		return usagef("%w", err)
	}
	stored, err := store.Open(ctx, f.storage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	config := f.config
	config.Storage, config.Log, config.CleanUp = server.Stored(stored), log, cleanUp
	config.UploadToken, config.MetricsElsewhere = token, f.metricsListen != ""
	s, err := server.New(config)
	if err != nil {
		return err
	}
	listener, err := f.open(log)
	if err != nil {
		return err
	}
	endMetrics, err := f.serveMetrics(s.MetricsHandler(), log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("serving", "address", listener.Addr().String(), "storage", stored.String(), "tls", f.tlsCert != "", "cleanUp", f.cleanUp,
		"uploadToken", token != "")
	return errors.Join(s.Serve(ctx, listener, f.grace), endMetrics())
}

func (f *serveFlags) open(log *slog.Logger) (net.Listener, error) {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil || f.tlsCert == "" {
		return listener, err
	}
	certificates, err := newCertificates(f.tlsCert, f.tlsKey, log)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{GetCertificate: certificates.get, MinVersion: tls.VersionTLS12}), nil
}

// serveMetrics serves the metrics at their own address, if they have one, until the function that it returns is called.
func (f *serveFlags) serveMetrics(handler http.Handler, log *slog.Logger) (end func() error, err error) {
	if f.metricsListen == "" {
		return func() error { return nil }, nil
	}
	listener, err := net.Listen("tcp", f.metricsListen)
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen: %w", err)
	}
	metrics := &http.Server{Handler: handler, ReadTimeout: metricsTime, WriteTimeout: metricsTime,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- metrics.Serve(listener) }()
	log.Info("serving metrics", "at", listener.Addr().String())
	return func() error {
		err := metrics.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("metrics at %s: %w", listener.Addr(), served))
		}
		return err
	}, nil
}

// readToken returns the token in a file, or "" for no file.
func readToken(flag, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s %s holds no token: want one word", flag, file)
	}
	return token, nil
}

func (f *serveFlags) cleaning() (server.CleanUp, error) {
	c := server.CleanUp{Off: f.cleanUp == cleanUpOff, InitialAccess: f.initial, Every: f.every, Grace: f.ownerless, MaxEntries: f.maxEntries}
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
	// One sweep asks three times for each namespace with bundles; the library's own 5 a second would make it last for minutes.
	config.QPS, config.Burst = apiRate, 2*apiRate
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
