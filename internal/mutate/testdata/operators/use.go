// Package operators has code for each operator.
package operators

var total = initial(3)

func initial(n int) int { return n }

func use(...any) {}
