package staging

import "testing"

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "1": 1, "50k": 51200, "2M": 2 << 20, "1g": 1 << 30, "0": -1, "-1": -1, "k": -1, "1.5k": -1,
		"9999999999": -1} {
		got, err := ParseBytes(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("ParseBytes(%q) = %d, %v", text, got, err)
		}
	}
}
