package operators

func comparisons(a, b int, name string, err error) bool {
	if a < b {
		return name == "x"
	}
	for a <= b {
		a++
	}
	equal := a > b
	return equal && err != nil || a >= b
}
