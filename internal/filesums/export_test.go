package filesums

import "testing"

// SumOf returns the SHA-256 of a directory's digests.
func SumOf(t *testing.T, tree Tree) string {
	t.Helper()
	recorded, err := tree.recorded()
	if err != nil {
		t.Fatal(err)
	}
	return sumOf(recorded)
}
