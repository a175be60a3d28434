package stagingcli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// limitedBuffer is the receive buffer of a download with a rate limit: with the kernel's usual megabytes the server would have sent
// most bundles long before they are read.
const limitedBuffer = 64 << 10

type fetchFlags struct {
	server, id, secretFile, sha256 string
	into                           string
	replace                        bool
	retryFor, stall                time.Duration
	rate                           string
	role, reportDir, reportURL     string
	caFile                         string
	maxBytes                       int64
}

func newFetchCommand() *cobra.Command {
	var f fetchFlags
	command := &cobra.Command{
		Use:   "fetch",
		Short: "Fetch a bundle, check its hash and unpack it into a directory",
		Long: `Fetch a bundle, check its hash and unpack it into a directory, which appears as a whole or not at all.

Transient failures are retried with increasing delays: no answer, a truncated answer, status 408, 429 or 5xx. All other
failures are final: an unknown id, a wrong secret, bytes that do not match --sha256, an archive that is not a bundle.

With --report-role each outcome is reported as a witness record; SPARKCHAOS_POD_UID, SPARKCHAOS_POD_NAME and
SPARKCHAOS_NODE_NAME then identify the pod, and SPARKCHAOS_WITNESS_TOKEN is the token for the witness.

Exit codes: 0 fetched and unpacked, 1 refused, 3 not reachable in time or no space for the files, 64 usage.`,
		Example: `  sparkchaos staging fetch --server http://staging:10000 --id ID --secret-file secret --sha256 HEX --into bundle`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			fetcher, err := f.fetcher(os.Getenv, command)
			if err != nil {
				return err
			}
			return fetcher.run(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.server, "server", "", "URL of the server, such as http://staging:10000")
	flags.StringVar(&f.id, "id", "", "id of the bundle")
	flags.StringVar(&f.secretFile, "secret-file", "", "file that holds the bundle's secret")
	flags.StringVar(&f.sha256, "sha256", "", "SHA-256 of the bundle in hexadecimal (default: the one that the server names)")
	flags.StringVar(&f.into, "into", "", "directory to unpack into; it is created in an existing directory; it must not exist, or "+
		"be empty and no mount point")
	flags.BoolVar(&f.replace, "replace", false, "replace the directory if it exists, once the bundle is complete")
	flags.DurationVar(&f.retryFor, "retry-for", 2*time.Minute, "how long to retry; a download that makes progress is never aborted")
	flags.DurationVar(&f.stall, "stall-time", 15*time.Second, "abort an attempt that receives no data for this long")
	flags.StringVar(&f.rate, "limit-rate", "", "limit the download rate to this many bytes per second; the suffixes k, m and g are powers "+
		"of 1024, as with curl")
	flags.StringVar(&f.caFile, "ca-file", "",
		"PEM file with the certificate authorities to trust (default: those of the system)")
	flags.Int64Var(&f.maxBytes, "max-bytes", 4<<30, "refuse larger bundles; give the size of the ticket if it is known")
	flags.StringVar(&f.role, "report-role", "", "role to report as: driver or executor")
	flags.StringVar(&f.reportDir, "report-dir", "", "directory to write a file of witness records to")
	flags.StringVar(&f.reportURL, "report-url", "", "URL of a witness, such as http://10.0.0.1:7070")
	return command
}

// fetcher checks all flags and reports everything that is wrong with them.
func (f *fetchFlags) fetcher(getenv func(string) string, command *cobra.Command) (*fetcher, error) {
	var problems []error
	note := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	rate, err := staging.ParseBytes(f.rate)
	if err != nil {
		note(fmt.Errorf("--limit-rate %w", err))
	}
	buffer := 0
	if rate > 0 {
		buffer = limitedBuffer
	}
	web, err := trusting(transport(buffer), f.caFile)
	note(err)
	client, err := staging.NewClient(f.server, web)
	note(err)
	if f.maxBytes < 1 {
		note(fmt.Errorf("--max-bytes is %d, want a number above zero", f.maxBytes))
	}
	if f.id == "" {
		note(errors.New("--id is missing"))
	}
	if f.into == "" {
		note(errors.New("--into is missing"))
	}
	if sum, err := hex.DecodeString(f.sha256); err != nil || len(sum) != 0 && len(sum) != 32 {
		note(fmt.Errorf("--sha256 %q is not 64 hexadecimal digits", f.sha256))
	}
	if f.retryFor < 0 || f.stall <= 0 {
		note(fmt.Errorf("--retry-for %s and --stall-time %s: want times that are not negative, and a stall time above zero", f.retryFor, f.stall))
	}
	secret, err := readSecret(f.secretFile)
	note(err)
	reports, err := f.reporter(getenv, command)
	note(err)
	if len(problems) > 0 {
		return nil, usagef("%w", errors.Join(problems...))
	}
	return &fetcher{
		client: client.WithMaxBytes(f.maxBytes), ticket: staging.Ticket{ID: f.id, Secret: secret, SHA256: strings.ToLower(f.sha256)},
		into: filepath.Clean(f.into), replace: f.replace, retryFor: f.retryFor, stall: f.stall, rate: rate,
		report: reports, out: command.ErrOrStderr(),
	}, nil
}

func readSecret(file string) (string, error) {
	if file == "" {
		return "", errors.New("--secret-file is missing; a secret on the command line would show in the list of processes")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--secret-file: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("--secret-file %s is empty", file)
	}
	return secret, nil
}

func (f *fetchFlags) reporter(getenv func(string) string, command *cobra.Command) (*reporter, error) {
	if f.role == "" {
		if f.reportDir != "" || f.reportURL != "" {
			return nil, errors.New("--report-dir and --report-url need --report-role")
		}
		return nil, nil
	}
	var problems []error
	if f.role != history.RoleDriver && f.role != history.RoleExecutor {
		problems = append(problems, fmt.Errorf("--report-role is %q, want %s or %s", f.role, history.RoleDriver, history.RoleExecutor))
	}
	uid := getenv("SPARKCHAOS_POD_UID")
	if uid == "" || strings.ContainsAny(uid, "/\\") {
		problems = append(problems, fmt.Errorf("--report-role needs the pod's UID in SPARKCHAOS_POD_UID, which is %q", uid))
	}
	if u, err := url.Parse(f.reportURL); err != nil || f.reportURL != "" && u.Host == "" {
		problems = append(problems, fmt.Errorf("--report-url %q is not a URL", f.reportURL))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return newReporter(f.role, uid, getenv("SPARKCHAOS_POD_NAME"), getenv("SPARKCHAOS_NODE_NAME"), f.reportDir, f.reportURL,
		getenv(witness.TokenVariable), command.ErrOrStderr()), nil
}
