package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// tracesPath is where an OTLP/HTTP receiver takes traces.
const tracesPath = "/v1/traces"

// Endpoint returns the URL to which traces are sent: that which is given, or its standard path if it has none.
func Endpoint(given string) (string, error) {
	endpoint, err := url.Parse(given)
	if err != nil {
		return "", err
	}
	if endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" {
		return "", fmt.Errorf("%q is no URL of a receiver; want one like http://localhost:4318", given)
	}
	if strings.Trim(endpoint.Path, "/") == "" {
		endpoint.Path = tracesPath
	}
	return endpoint.String(), nil
}

// maxAnswer is how much of a receiver's answer is read.
const maxAnswer = 64 << 10

// Send sends OTLP/JSON by OTLP/HTTP. A receiver that refuses any span is an error.
func Send(ctx context.Context, client *http.Client, endpoint string, content []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("send the trace: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or not of interest
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("send the trace to %s: read the answer: %w", endpoint, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s: %.200q; expected 200 OK: is it an OTLP/HTTP receiver?", endpoint, response.Status, answer)
	}
	var partial struct {
		Success struct {
			Rejected json.Number `json:"rejectedSpans"`
			Message  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &partial) == nil { // a receiver may answer with nothing
		if n := partial.Success.Rejected.String(); n != "" && n != "0" {
			return fmt.Errorf("%s rejected %s spans: %.200q", endpoint, n, partial.Success.Message)
		}
	}
	return nil
}
