package cluster

import (
	"errors"
	"fmt"
)

// ErrNotFound is the error of a cluster that does not exist. Every other error of opening a cluster means that it is unknown whether it
// exists.
var ErrNotFound = errors.New("there is no such cluster")

// NotFoundError is an ErrNotFound with the name of the cluster and where it was looked for.
type NotFoundError struct {
	Kind, Name string
	State      string // the state directory in which its files were looked for
}

// Error implements error.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no %s cluster %q in the state directory %s (each user has one of their own): `sparkchaos cluster up "+
		"--cluster %s --name %s` makes it",
		e.Kind, e.Name, e.State, e.Kind, e.Name)
}

// Is reports whether target is ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }
