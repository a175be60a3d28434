package wording

import (
	"slices"
	"testing"
	"time"
)

func TestQuantities(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 1234567 * time.Nanosecond: "1ms", 9999 * time.Millisecond: "9.999s", 10 * time.Second: "10s",
		9700*time.Millisecond + 44*time.Millisecond: "9.744s",
		10*time.Second + 44*time.Millisecond:        "10s", 10*time.Second + 51*time.Millisecond: "10.1s", 90 * time.Second: "1m30s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
	if Count(0, "word") != "0 words" || Count(1, "word") != "1 word" || Count(2, "word") != "2 words" {
		t.Errorf("got %s, %s, %s", Count(0, "word"), Count(1, "word"), Count(2, "word"))
	}
	if All(1, "word") != "the word" || All(2, "word") != "all 2 words" {
		t.Errorf("got %s, %s", All(1, "word"), All(2, "word"))
	}
	if Verb(1, "is", "are") != "is" || Verb(0, "is", "are") != "are" || Verb(2, "is", "are") != "are" {
		t.Errorf("got %s, %s, %s", Verb(0, "is", "are"), Verb(1, "is", "are"), Verb(2, "is", "are"))
	}
	if More(0) != "" || More(1) != " (and 1 more)" || More(-1) != "" {
		t.Errorf("got %q, %q, %q", More(0), More(1), More(-1))
	}
	if got := Some([]string{"a", "b", "c", "d", "e"}); got != "a, b, c and 2 more" || Some([]string{"a", "b"}) != "a, b" {
		t.Errorf("got %q, %q", got, Some([]string{"a", "b"}))
	}
	if got := Except([]string{"a", "b"}); got != " (not a, b)" || Except(nil) != "" {
		t.Errorf("got %q, %q", got, Except(nil))
	}
}

func TestDistinctLeavesItsArgument(t *testing.T) {
	t.Parallel()
	names := []string{"b", "a", "b"}
	if got := Distinct(names); !slices.Equal(got, []string{"a", "b"}) || !slices.Equal(names, []string{"b", "a", "b"}) {
		t.Errorf("got %v of %v", got, names)
	}
}
