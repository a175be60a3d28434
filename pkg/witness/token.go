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

// NewToken returns a random token of more than 128 bits. Whoever has it may post records to a witness, and read what one keeps.
func NewToken() string { return rand.Text() }

// Authorize puts a token into a request.
func Authorize(request *http.Request, token string) {
	request.Header.Set("Authorization", bearer+token)
}

// authorized reports whether a request has the token. Nothing has an empty one. How long it takes tells nothing of the token.
func authorized(request *http.Request, token string) bool {
	shown, ok := strings.CutPrefix(request.Header.Get("Authorization"), bearer)
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && ok && token != ""
}

// Guard answers 401 to requests without the token, of which nothing is read, and gives the others to next. refused, which may be nil,
// is called for each of the former.
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
