package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/trace"
)

// sendTimeout bounds the sending of a trace, which has some hundred kilobytes.
const sendTimeout = 30 * time.Second

// sendTrace sends a trace of a run to a receiver, if one is given.
func sendTrace(command *cobra.Command, given string, verdict check.RunVerdict, info report.RunInfo) error {
	if given == "" {
		return nil
	}
	endpoint, err := trace.Endpoint(given)
	if err != nil {
		return usagef("--otlp-endpoint: %w", err)
	}
	content, err := report.Render(report.OTLP, verdict, info, report.Style{})
	if err != nil {
		return err
	}
	if err := trace.Send(command.Context(), &http.Client{Timeout: sendTimeout}, endpoint, content); err != nil {
		return fmt.Errorf("--otlp-endpoint: %w", err)
	}
	_, err = fmt.Fprintf(command.ErrOrStderr(), "sparkchaos: the trace was sent to %s\n", endpoint)
	return err
}
