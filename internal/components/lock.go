package components

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"golang.org/x/mod/semver"
)

// embeddedLock carries versions and keys into the binary, because nested modules cannot be embedded: so a binary far
// from the checkout finds exactly the builds that it was made for.
//
//go:embed components.lock
var embeddedLock string

// renewal is the command that repairs a lock that does not fit.
const renewal = "run \"make components-lock\" in the checkout and build sparkchaos again (\"make build\")"

// locked is the entry of one component in components.lock.
type locked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Key     string `json:"key"`
}

// Components returns the components that this binary was made for, in the order of Recipes.
func Components() ([]Component, error) {
	return parseLock(Recipes(), []byte(embeddedLock))
}

// parseLock joins a lock with the recipes; each must have the other, and all that does not fit is reported together.
func parseLock(recipes []Recipe, lock []byte) ([]Component, error) {
	var entries []locked
	if err := json.Unmarshal(lock, &entries); err != nil {
		return nil, fmt.Errorf("components.lock: %w; %s", err, renewal)
	}
	valid := regexp.MustCompile(`^[0-9a-f]{64}$`)
	byName := map[string]locked{}
	var problems []error
	for _, entry := range entries {
		if _, twice := byName[entry.Name]; twice {
			problems = append(problems, fmt.Errorf("components.lock: %q stands in it twice; %s", entry.Name, renewal))
		}
		if !semver.IsValid(entry.Version) || !valid.MatchString(entry.Key) {
			problems = append(problems, fmt.Errorf("components.lock: %q has version %q and key %q, want a version and a SHA-256; %s", entry.Name,
				entry.Version, entry.Key, renewal))
		}
		byName[entry.Name] = entry
	}
	components := make([]Component, 0, len(recipes))
	for _, recipe := range recipes {
		entry, ok := byName[recipe.Name]
		if !ok {
			problems = append(problems, fmt.Errorf("components.lock: %q is missing; %s", recipe.Name, renewal))
		}
		delete(byName, recipe.Name)
		components = append(components, Component{Recipe: recipe, Version: entry.Version, Key: entry.Key})
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		problems = append(problems, fmt.Errorf("components.lock: %q is no component; %s", name, renewal))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return components, nil
}

// formatLock is the inverse of parseLock: the bytes of components.lock.
func formatLock(components []Component) ([]byte, error) {
	entries := make([]locked, 0, len(components))
	for _, component := range components {
		entries = append(entries, locked{component.Name, component.Version, component.Key})
	}
	data, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// compare returns an error that names each component of which the checkout has something else than the lock.
func compare(fromLock, fromSource []Component) error {
	var problems []error
	for i, want := range fromLock {
		got := fromSource[i]
		if got.Version != want.Version {
			problems = append(problems, fmt.Errorf("component %s: the checkout pins %s, this binary was made for %s; %s", want.Name, got.Version,
				want.Version, renewal))
		} else if got.Key != want.Key {
			problems = append(problems, fmt.Errorf("component %s: files in components/%s or its recipe changed since this binary was made; %s",
				want.Name, want.Name, renewal))
		}
	}
	return errors.Join(problems...)
}
