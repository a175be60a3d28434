package staging

import (
	"fmt"
	"strconv"
)

// ParseBytes parses a number of bytes as curl does, with k, m or g for powers of 1024. "" is 0, which means none or no
// limit.
func ParseBytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, factor := text, int64(1)
	switch text[len(text)-1] {
	case 'k', 'K':
		factor = 1 << 10
	case 'm', 'M':
		factor = 1 << 20
	case 'g', 'G':
		factor = 1 << 30
	}
	if factor > 1 {
		number = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q: want a number of bytes above zero, such as 50k", text)
	}
	return n * factor, nil
}
