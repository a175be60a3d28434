package scenario

import (
	"fmt"
	"strings"
	"time"
)

// longest is the longest duration that a scenario may hold: enough for a week's soak, and sums of a few never overflow.
const longest = 7 * 24 * time.Hour

// Duration is a time.Duration that YAML writes with its unit ("2s"); a bare number is refused.
type Duration time.Duration

// String writes it as YAML does: 2s, 500ms, 1m30s, 60s as 1m.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It refuses what has no unit, is negative or longer than a week.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	switch {
	case len(text) > 0 && strings.TrimLeft(string(text), "0123456789.") == "":
		return fmt.Errorf("%q has no unit; write %ss or %sms", text, text, text)
	case err != nil:
		return fmt.Errorf("%q is not a duration; write a number with its unit, like 2s, 500ms or 1m30s", text)
	case parsed < 0:
		return fmt.Errorf("%q is negative; a duration is zero or more", text)
	case parsed > longest:
		return fmt.Errorf("%q is longer than %s, the most that is accepted", text, longest)
	}
	*d = Duration(parsed)
	return nil
}

// Span is a duration, or a range from which the plan picks one by its seed: "2s" or "1s..5s" in YAML.
type Span struct {
	Min, Max Duration
}

// Exactly is the span that holds one duration only.
func Exactly(d time.Duration) Span { return Span{Min: Duration(d), Max: Duration(d)} }

// String writes it as YAML does.
func (s Span) String() string {
	if s.Min == s.Max {
		return s.Min.String()
	}
	return s.Min.String() + ".." + s.Max.String()
}

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Span) UnmarshalText(text []byte) error {
	low, high, ranged := strings.Cut(string(text), "..")
	var span Span
	if err := span.Min.UnmarshalText([]byte(low)); err != nil {
		return err
	}
	if !ranged {
		high = low
	}
	if err := span.Max.UnmarshalText([]byte(high)); err != nil {
		return err
	}
	if span.Max < span.Min {
		return fmt.Errorf("%q ends before it begins; write %s..%s", text, span.Max, span.Min)
	}
	*s = span
	return nil
}
