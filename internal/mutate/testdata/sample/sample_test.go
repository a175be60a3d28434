package sample

import "testing"

func TestSign(t *testing.T) {
	for n, want := range map[int]int{-2: -1, -1: -1, 0: 0, 1: 1, 2: 1} {
		if got := Sign(n); got != want {
			t.Errorf("Sign(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestSum(t *testing.T) {
	if got := Sum(4); got != 10 {
		t.Errorf("Sum(4) = %d", got)
	}
}

func TestLargerAndClamp(t *testing.T) {
	if Larger(1, 2) != 2 || Larger(2, 1) != 2 || Larger(1, 1) != 1 {
		t.Error("Larger is wrong")
	}
	if Clamp(1, 5) != 1 {
		t.Error("Clamp is wrong")
	}
}
