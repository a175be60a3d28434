package staging

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A client takes no more than its bound, whatever the server announces.
func TestDownloadsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	for name, tc := range map[string]struct {
		most      int64 // of the client
		size      int64 // of the ticket
		announced bool
		sent      int
		want      error
	}{
		"announced beyond the client's bound": {most, 0, true, most + 1, ErrTooLarge},
		"sent beyond the client's bound":      {most, 0, false, 100 * most, ErrTooLarge},
		"announced beyond the ticket's size":  {most, 10, true, 11, ErrMismatch},
		"sent beyond the ticket's size":       {0, 10, false, 100 * most, ErrMismatch},
		"within the bound":                    {most, 0, false, most, nil},
		"of the ticket's size":                {most, 10, true, 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tc.announced {
					w.Header().Set("Content-Length", fmt.Sprint(tc.sent))
				}
				chunk := make([]byte, 1<<16)
				for left := tc.sent; left > 0; left -= len(chunk) {
					if _, err := w.Write(chunk[:min(left, len(chunk))]); err != nil {
						return
					}
					w.(http.Flusher).Flush()
				}
			}))
			t.Cleanup(server.Close)
			client, err := NewClient(server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := client.WithMaxBytes(tc.most).Fetch(t.Context(), Ticket{ID: "id", Size: tc.size})
			var n int64
			if err == nil {
				n, err = io.Copy(io.Discard, body)
				body.Close()
			}
			if !errors.Is(err, tc.want) || (err != nil) != (tc.want != nil) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if err != nil && !Definitive(err) {
				t.Errorf("%v would be tried again", err)
			}
			if bound := max(tc.most, tc.size); n > bound {
				t.Errorf("%d bytes were handed out, want at most %d", n, bound)
			}
		})
	}
}
