// Package entrytest checks, in tests, that constructors and a catalogue do not drift apart.
package entrytest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Match checks that what constructors made is each entry of a catalogue and nothing else, with arguments of its type that it finds good.
func Match(t *testing.T, entries []scenario.Entry, made []scenario.Choice) {
	t.Helper()
	var names []string
	for _, choice := range made {
		names = append(names, choice.Name)
		entry, known := scenario.Find(entries, choice.Name)
		if !known {
			continue // told below
		}
		if want, got := reflect.TypeOf(entry.Args()), reflect.TypeOf(choice.Args); want != got {
			t.Errorf("%s: arguments are %v, want %v", choice.Name, got, want)
		} else if entry.Check != nil && len(entry.Check(choice.Args)) > 0 {
			t.Errorf("%s: %q", choice.Name, entry.Check(choice.Args))
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(slices.Sorted(slices.Values(scenario.Names(entries))), slices.Compact(names)); diff != "" {
		t.Errorf("the catalogue, and what has a constructor (-want +got):\n%s", diff)
	}
}
