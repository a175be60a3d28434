package stagingcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

func newUploadCommand() *cobra.Command {
	var address, namespace, caFile, tokenFile string
	var labels map[string]string
	command := &cobra.Command{
		Use:   "upload FILE...",
		Short: "Pack files into a bundle, upload it, and print the ticket that fetches it as JSON",
		Long: `Pack files into a bundle, upload it, and print the ticket that fetches it as JSON: id, secret, SHA-256 and size.

Exit codes: 0 uploaded, 1 refused, 3 the server did not accept it (a retry may help), 64 usage, or files that cannot be read.`,
		Example: `  sparkchaos staging upload --server http://staging:10000 --owner-namespace spark --owner-label spark-role=driver app.jar`,
		RunE: func(command *cobra.Command, files []string) error {
			owner := staging.Owner{Namespace: namespace, Labels: labels, Type: staging.OwnerTypePod}
			web, trustErr := trusting(transport(0), caFile)
			client, err := staging.NewClient(address, web)
			if len(files) == 0 {
				err = errors.Join(err, errors.New("name at least one FILE"))
			}
			token, tokenErr := readToken("--token-file", tokenFile)
			if err := errors.Join(err, trustErr, tokenErr, owner.Validate()); err != nil {
				return usagef("%w", err)
			}
			client = client.WithUploadToken(token)
			bundle, w := io.Pipe()
			go func() { w.CloseWithError(staging.Pack(w, files...)) }()
			ticket, err := client.Upload(command.Context(), owner, bundle)
			// Whatever Upload left unread, the packing must end.
			bundle.Close()
			if err != nil {
				return uploadError(err)
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(ticket)
		},
	}
	command.Flags().StringVar(&address, "server", "", "URL of the server, such as http://staging:10000")
	command.Flags().StringVar(&namespace, "owner-namespace", "", "namespace of the pods that the bundle is for")
	command.Flags().StringToStringVar(&labels, "owner-label", nil, "label of the pods that the bundle is for, as name=value; can be repeated")
	command.Flags().StringVar(&caFile, "ca-file", "",
		"PEM file with the certificate authorities to trust (default: those of the system)")
	command.Flags().StringVar(&tokenFile, "token-file", "", "file with the token that the server requires of uploads")
	return command
}

// uploadError gives an error of Upload its exit code.
func uploadError(err error) error {
	var unavailable *staging.UnavailableError
	switch {
	case staging.Definitive(err):
		return &Error{ExitRefused, err}
	case errors.As(err, &unavailable):
		return &Error{ExitUnreachable, fmt.Errorf("%w; nothing is known to be stored, try again", err)}
	default:
		return usagef("%w", err)
	}
}
