// Package paths says where sparkchaos keeps files of its own outside of any checkout: a cache, which can be
// deleted at any time at the price of building again, and a state, which says what runs on this machine.
package paths

import (
	"fmt"
	"path/filepath"
)

// The environment variables that choose the directories.
const (
	// CacheVariable names the cache directory itself.
	CacheVariable = "SPARKCHAOS_CACHE"
	// StateVariable names the state directory itself.
	StateVariable = "SPARKCHAOS_STATE"
)

const application = "sparkchaos"

// Cache returns the absolute path of the directory for what can be built again: $SPARKCHAOS_CACHE, or "sparkchaos"
// in $XDG_CACHE_HOME, or in ~/.cache. The environment is read through getenv; nothing is created.
func Cache(getenv func(string) string) (string, error) {
	return directory(getenv, CacheVariable, "XDG_CACHE_HOME", ".cache")
}

// State returns the absolute path of the directory for what is true of this machine, such as running clusters:
// $SPARKCHAOS_STATE, or "sparkchaos" in $XDG_STATE_HOME, or in ~/.local/state. The environment is read through
// getenv; nothing is created.
func State(getenv func(string) string) (string, error) {
	return directory(getenv, StateVariable, "XDG_STATE_HOME", filepath.Join(".local", "state"))
}

func directory(getenv func(string) string, own, base, belowHome string) (string, error) {
	if chosen := getenv(own); chosen != "" {
		// Resolved now, so that a process that changes its working directory still means the same place.
		absolute, err := filepath.Abs(chosen)
		if err != nil {
			return "", fmt.Errorf("%s=%q cannot be made an absolute path: %w", own, chosen, err)
		}
		return absolute, nil
	}
	// The XDG specification has relative paths ignored.
	if xdg := getenv(base); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, application), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", fmt.Errorf("no directory for sparkchaos' files: HOME is not set; set it, or set %s to a directory", own)
	}
	absolute, err := filepath.Abs(filepath.Join(home, belowHome, application))
	if err != nil {
		return "", fmt.Errorf("HOME=%q cannot be made an absolute path: %w; set %s to a directory", home, err, own)
	}
	return absolute, nil
}
