package operators

func conditions(a, b, c bool) int {
	if a && b && c {
		return 1
	}
	if a || (b && !c) {
		return 2
	}
	switch {
	case a:
		return 3
	case b || c:
	default:
	}
	use(!a, a && b)
	const never = false
	if never { // a constant condition has no mutants
		return 4
	}
	return 5
}
