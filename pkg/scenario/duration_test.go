package scenario

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurationText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration
		back string
	}{
		{"2s", 2 * time.Second, "2s"},
		{"0s", 0, "0s"},
		{"500ms", 500 * time.Millisecond, "500ms"},
		{"60s", time.Minute, "1m"},
		{"90s", 90 * time.Second, "1m30s"},
		{"1h", time.Hour, "1h"},
		{"1h5m", 65 * time.Minute, "1h5m"},
		{"10m", 10 * time.Minute, "10m"},
		{"1h0m10s", time.Hour + 10*time.Second, "1h0m10s"},
		{"168h", 168 * time.Hour, "168h"},
	}
	for _, test := range tests {
		var d Duration
		if err := d.UnmarshalText([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if time.Duration(d) != test.want || d.String() != test.back {
			t.Errorf("%s: got %v, written %s; want %v, written %s", test.text, time.Duration(d), d, test.want, test.back)
		}
	}
}

func TestDurationRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":      `"" is not a duration; write a number with its unit, like 2s, 500ms or 1m30s`,
		"5":     `"5" has no unit; write 5s or 5ms`,
		"0":     `"0" has no unit; write 0s or 0ms`,
		"1d":    `"1d" is not a duration; write a number with its unit, like 2s, 500ms or 1m30s`,
		"-1s":   `"-1s" is negative; a duration is zero or more`,
		"169h":  `"169h" is longer than 168h0m0s, the most that is accepted`,
		"1e99h": `"1e99h" is not a duration; write a number with its unit, like 2s, 500ms or 1m30s`,
	} {
		d := Duration(7)
		err := d.UnmarshalText([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		if d != 7 {
			t.Errorf("%q: a refused text changed the duration to %s", text, d)
		}
	}
}

func TestSpanText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Span{
		"2s":        Exactly(2 * time.Second),
		"1s..5s":    {Min: Duration(time.Second), Max: Duration(5 * time.Second)},
		"0s..500ms": {Max: Duration(500 * time.Millisecond)},
	} {
		var got Span
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if got.String() != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{"", "..", "1s..", "..1s", "1..2", "2s..1s", "1s...2s", "1s..2s..3s"} {
		var got Span
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %s, want an error", text, got)
		}
	}
}
