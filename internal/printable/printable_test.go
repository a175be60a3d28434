package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                   "",
		"as it is, äöü 漢字":                   "as it is, äöü 漢字",
		"two\nlines\r\nand\ttab":             "two lines and tab",
		"\x1b[31mred\x1b]0;title\x07":        "[31mred]0;title",
		"c1 \u009b31m":                       "c1 31m",
		"bad \xff byte":                      "bad \uFFFD byte",
		"turned \u202e\u2066 and \u200b hid": "turned and hid",
	} {
		if got := Line(given); got != want {
			t.Errorf("Line(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestLinesKeepsEndsOfLinesAndIndentation(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"a\n  b\n\n\tc":      "a\n  b\n\n\tc",
		"a\r\nb\rc\n":        "a\nb c\n",
		"\x1b[2Ja\x08\n\x00": "[2Ja\n",
	} {
		if got := Lines(given); got != want {
			t.Errorf("Lines(%q) = %q, want %q", given, got, want)
		}
	}
}

func FuzzNothingActsOnATerminal(f *testing.F) {
	for _, seed := range []string{"a\nb", "\x1b[0m", "\xff", "\u202e", "\r", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{Line(s), strings.NewReplacer("\n", "", "\t", "").Replace(Lines(s))} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("%q becomes %q", s, got)
			}
		}
	})
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"runs/a-1": "runs/a-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "a\nb": "'a b'", "größe": "'größe'",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, want string
		most       int
		cut        bool
	}{
		{"", "", 0, false}, {"abc", "abc", 3, false}, {"abc", "ab", 2, true}, {"aü", "aü", 3, false}, {"aü", "a", 2, true}, {"ü", "", 1, true},
	} {
		if got, cut := Cut(tt.text, tt.most); got != tt.want || cut != tt.cut {
			t.Errorf("Cut(%q, %d) = %q, %v; want %q, %v", tt.text, tt.most, got, cut, tt.want, tt.cut)
		}
	}
}
