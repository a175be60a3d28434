//go:build !linux

package cli

import "context"

// diagnose says that clusters are made on Linux only.
func diagnose(context.Context, string, string) []diagnosis {
	return []diagnosis{{kind: embeddedKind, lacks: errNotLinux()}, {kind: kindKind, lacks: errNotLinux()}}
}
