// Package nearest finds the word that was probably meant.
package nearest

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxWord is the length above which a word is not compared with others: it would take long, and nobody mistypes it.
const maxWord = 100

// To returns the known word that is most like a mistyped one, or false if none is like it.
func To(wrong string, known []string) (string, bool) {
	if len(known) == 0 || len(wrong) > maxWord {
		return "", false
	}
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(wrong, a) - distance(wrong, b) })
	return nearest, distance(wrong, nearest) <= slips(min(len(wrong), len(nearest)))
}

// slips returns how many wrong letters a word of a length may have and still be taken for the right one. Two swapped
// letters count as two.
func slips(length int) int {
	if length < 4 {
		return 1
	}
	return max(2, length/3)
}

func distance(a, b string) int {
	return levenshtein.ComputeDistance(strings.ToLower(a), strings.ToLower(b))
}
