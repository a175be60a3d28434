package witness

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// TokenVariable is the environment variable by which drivers, executors and the witness in the cluster get a run's token.
const TokenVariable = "SPARKCHAOS_WITNESS_TOKEN"

// bearer precedes the token in a request's Authorization header.
const bearer = "Bearer "

// NewToken returns a random token of more than 128 bits. Its holder may post records to a witness and read those
// that one keeps.
func NewToken() string { return rand.Text() }

// Authorize puts a token into a request.
func Authorize(request *http.Request, token string) {
	request.Header.Set("Authorization", bearer+token)
}

// authorized reports whether a request has the token. Nothing matches an empty token. The comparison takes constant
// time.
func authorized(request *http.Request, token string) bool {
	shown, ok := strings.CutPrefix(request.Header.Get("Authorization"), bearer)
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && ok && token != ""
}

// Guard passes requests with the token to next. It answers 401 to all others without reading them, and calls refused,
// which may be nil, for each.
func Guard(token string, next http.Handler, refused func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if authorized(request, token) {
			next.ServeHTTP(w, request)
			return
		}
		if refused != nil {
			refused()
		}
		w.Header().Set("WWW-Authenticate", strings.TrimSpace(bearer))
		w.Header().Set("Connection", "close") // what the body has is not worth reading
		http.Error(w, "the token of the run is missing or wrong", http.StatusUnauthorized)
	})
}
