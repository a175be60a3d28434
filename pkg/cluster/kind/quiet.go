//go:build linux

package kind

import "sigs.k8s.io/kind/pkg/log"

// quiet keeps kind's own words from the terminal: its errors are returned.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Warn(string)                {}
func (quiet) Warnf(string, ...any)       {}
func (quiet) Error(string)               {}
func (quiet) Errorf(string, ...any)      {}
func (quiet) V(log.Level) log.InfoLogger { return log.NoopInfoLogger{} }
