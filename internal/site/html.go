package main

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"unicode"
)

// html returns the body of a page. A source file is shown as it is.
func (s *site) html(d *document) (string, error) {
	if d.tree == nil {
		title := template.HTMLEscapeString(d.title)
		return fmt.Sprintf("<h1>%s</h1>\n<pre><code>%s</code></pre>\n", title, template.HTMLEscapeString(string(d.source))), nil
	}
	var out bytes.Buffer
	if err := s.markdown.Renderer().Render(&out, d.source, d.tree); err != nil {
		return "", fmt.Errorf("write %s as HTML: %w", d.name, err)
	}
	body := strings.ReplaceAll(out.String(), "<!-- raw HTML omitted -->\n", "") // goldmark leaves comments out
	body = strings.ReplaceAll(body, "<table>", `<div class="table"><table>`)
	return strings.ReplaceAll(body, "</table>", "</table></div>"), nil
}

// slugOf returns the anchor that GitHub gives a heading: letters and digits in lower case, hyphens for spaces, and nothing else.
func slugOf(heading string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			out.WriteRune(r)
		case r == ' ':
			out.WriteByte('-')
		}
	}
	return out.String()
}
