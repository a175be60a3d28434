// Package wording writes quantities and lists for people, in the same way everywhere in verdicts and reports.
package wording

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Duration writes a duration: milliseconds below ten seconds, else tenths of a second.
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// Count writes a number of things: 1 thing, 2 things.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// All writes that it is about every one of n things: the thing, all 2 things.
func All(n int, thing string) string {
	if n == 1 {
		return "the " + thing
	}
	return "all " + Count(n, thing)
}

// Verb returns the form of a verb for n things.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// More writes how many things follow one that was named; nothing if there are none.
func More(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// Some lists at most three names.
func Some(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

// Except adds to an assumption the names that refute it; nothing if there are none.
func Except(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (not " + strings.Join(names, ", ") + ")"
}

// Distinct returns the names in order, without doubles.
func Distinct(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// Megabytes writes a number of bytes in units of a million.
func Megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
