// Package printable makes text from the outside (names of objects, messages of servers, lines of files) harmless to
// print: valid UTF-8 without control characters, without the escape sequences that act on a terminal, and without marks
// that turn the direction of writing.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns the text as one line, with single spaces between its words.
func Line(s string) string {
	return strings.Join(strings.FieldsFunc(strings.Map(harmless, s), unicode.IsSpace), " ")
}

// Cut returns the text up to a number of bytes, and reports whether that was less than all of it. No character is cut through.
func Cut(s string, most int) (short string, cut bool) {
	if len(s) <= most {
		return s, false
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most], true
}

// Lines returns the text with its ends of lines and its indentation. A tab stays; a carriage return is the end of a line
// together with a line feed and is left out otherwise.
func Lines(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		line, ended := strings.CutSuffix(line, "\n")
		out.WriteString(strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return harmless(r)
		}, strings.TrimSuffix(line, "\r")))
		if ended {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// ShellWord makes a word that a POSIX shell takes as it is. Control characters are not kept: such a path cannot be
// pasted anyway, and printed they would act on the terminal.
func ShellWord(s string) string {
	s = Line(s)
	plain := s != ""
	for _, r := range s {
		if r > unicode.MaxASCII || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+:@%=,", r)) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func harmless(r rune) rune {
	switch {
	case r == utf8.RuneError:
		return '\uFFFD'
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
		return -1
	case r&0xFFFE == 0xFFFE: // no characters, and not allowed in XML
		return -1
	default:
		return r
	}
}
