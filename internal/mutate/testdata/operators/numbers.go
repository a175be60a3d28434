package operators

import "time"

const (
	limit   = 20
	patient = 15 * time.Second
)

// color is an enumeration: its values are no quantities.
type color int

const (
	red color = iota
	blue
)

func numbers(n int, d time.Duration, text string, f float64, small uint8) (int, time.Duration) {
	sum := n + limit - 2*n/3
	sum += n
	sum -= 1
	n++
	for i := 0; i < n; i-- {
		sum = max(sum, i, 7)
	}
	if d > patient {
		d = time.Duration(n) * 10 * time.Second
	}
	buffer := make([]int, 0, 64)
	use(text+"no number", f*2.5, small+1, buffer[min(n, 1):], [4]int{2: 1}, 1<<10, red, time.Minute)
	return sum, -d
}
