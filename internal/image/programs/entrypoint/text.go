package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// splitOptions takes a string of options apart as Spark's launcher does: at spaces, with single and double quotes and with
// backslashes that keep the next character.
func splitOptions(s string) ([]string, error) {
	var options []string
	var current strings.Builder
	var quote rune
	begun, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			current.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			begun, quote = true, r
		case quote == 0 && unicode.IsSpace(r):
			if begun {
				options = append(options, current.String())
			}
			current.Reset()
			begun = false
		default:
			begun = true
			current.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote or a backslash is left open in %q", s)
	}
	if begun {
		options = append(options, current.String())
	}
	return options, nil
}

// parseProperties reads the format of java.util.Properties. Values are trimmed, as Spark does.
func parseProperties(text string) (map[string]string, error) {
	properties := map[string]string{}
	for _, line := range logicalLines(text) {
		key, value := cutProperty(line)
		name, err1 := unescape(key)
		plain, err2 := unescape(value)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("in the line %q: %w", line, err)
		}
		properties[name] = strings.TrimSpace(plain)
	}
	return properties, nil
}

const blanks = " \t\f"

// logicalLines joins lines that end with an odd number of backslashes with the next; comments and empty lines are left out.
func logicalLines(text string) []string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	var lines []string
	open := false
	for _, natural := range strings.Split(text, "\n") {
		line := strings.TrimLeft(natural, blanks)
		if !open && (line == "" || line[0] == '#' || line[0] == '!') {
			continue
		}
		if !open {
			lines = append(lines, "")
		}
		last := &lines[len(lines)-1]
		trailing := len(line) - len(strings.TrimRight(line, `\`))
		open = trailing%2 == 1
		if open {
			line = line[:len(line)-1]
		}
		*last += line
	}
	return lines
}

// cutProperty splits a logical line at its first separator: blanks, "=" or ":", not behind a backslash.
func cutProperty(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.ContainsRune(blanks+"=:", rune(line[i])) {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], blanks)
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	return line[:end], rest
}

// unescape resolves \t, \n, \r, \f, \uXXXX; before any other character the backslash vanishes.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 > len(s) {
				return "", errors.New(`\u needs four hexadecimal digits`)
			}
			code, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`\u needs four hexadecimal digits: %w`, err)
			}
			b.WriteRune(rune(code))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
