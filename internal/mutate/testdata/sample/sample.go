// Package sample has code of which its tests notice some changes and not others.
package sample

// Sign returns -1, 0 or 1. Its tests notice everything.
func Sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// Sum has a loop that a mutant makes endless.
func Sum(to int) int {
	sum := 0
	for i := 0; i != to; {
		i++
		sum += i
	}
	return sum
}

// Larger has a mutant that changes nothing: a and b are the same where it differs.
func Larger(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// Clamp is not tested at its boundary.
func Clamp(n, most int) int {
	if n > most {
		n = most
	}
	return n
}

// Forgotten has no test.
func Forgotten(a, b bool) bool { return a && b }
