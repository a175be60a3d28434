package staging

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The reasons for which a server refuses permanently.
var (
	// ErrUnknown is a bundle that the server does not have: 404.
	ErrUnknown = errors.New("the server has no such bundle")
	// ErrUnauthorized is a secret that is not the bundle's: 401.
	ErrUnauthorized = errors.New("the secret is not the bundle's")
	// ErrTooLarge is a bundle of more bytes than the client takes.
	ErrTooLarge = errors.New("the bundle is larger than what is taken")
	// ErrMismatch is a bundle whose bytes are not those that the ticket names.
	ErrMismatch = errors.New("the bytes received are not those of the ticket")
)

// RefusedError is a permanent refusal: asking again gives the same answer.
type RefusedError struct {
	Op     string // what was asked for, e.g. "fetch bundle 1b4e…"
	Server string
	Status int    // HTTP status; 200 with ErrMismatch and ErrTooLarge
	Reason string // what the server said, or what was seen
	Err    error  // one of the reasons above, or nil
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s from %s: refused with status %d: %s", e.Op, e.Server, e.Status, e.Reason)
}

// Unwrap gives the reason to errors.Is.
func (e *RefusedError) Unwrap() error { return e.Err }

// UnavailableError is a temporary failure: there was no answer, the answer was cut off, or the server asked to retry.
type UnavailableError struct {
	Op         string
	Server     string
	Status     int           // HTTP status; 0 when there was no answer
	RetryAfter time.Duration // what the server asked to wait; 0 when it did not
	Err        error
}

// Error implements error.
func (e *UnavailableError) Error() string {
	if e.Status != 0 && e.Status != http.StatusOK {
		return fmt.Sprintf("%s from %s: status %d: %v", e.Op, e.Server, e.Status, e.Err)
	}
	return fmt.Sprintf("%s from %s: %v", e.Op, e.Server, e.Err)
}

// Unwrap gives the cause to errors.Is.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Definitive reports whether an error of a Client is permanent.
func Definitive(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused)
}
