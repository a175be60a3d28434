package operators

func jumps(kind string, values []int) (int, error) {
	found := 0
loop:
	for _, v := range values {
		switch kind {
		case "a":
			found = v
			break loop
		case "b":
			use(v)
			break
		}
		if v > found {
			use(v)
			break
		}
	}
	switch kind {
	case "c", "d":
		found = 1
		use(found)
	default:
		use(kind)
	}
	if kind == "e" {
		use(kind)
		return 1, nil
	}
	if kind == "f" {
		use(kind)
		return found, nil
	} else {
		use(values)
		return 0, nil // without it the function would have no end
	}
}

func done(kind string) {
	if kind != "" {
		use(kind)
		return
	}
	use("")
}

func last(v any) int {
	switch v := v.(type) {
	case int:
		use(v)
		return v
	default:
		use(v)
		return 0
	}
}
