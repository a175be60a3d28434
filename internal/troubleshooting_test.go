package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTroubleshootingQuotesMessages compares the messages that docs/troubleshooting.md quotes with the texts in the code: the parts of
// each, between what differs from case to case, stand in one file and in this order.
func TestTroubleshootingQuotesMessages(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(top, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile("(?ms)^```text\n(.*?)\n```$").FindAllStringSubmatch(string(content), -1)
	if len(messages) < 40 {
		t.Fatalf("only %d messages were found", len(messages))
	}
	var sources []string
	for _, file := range goFiles(t) {
		sources = append(sources, texts(t, file))
	}
	for _, message := range messages {
		parts := regexp.MustCompile(`\s*…\s*`).Split(message[1], -1)
		if longest(parts) < 12 {
			t.Errorf("too little of the message is quoted to find it: %s", message[1])
		}
		if !slices.ContainsFunc(sources, func(source string) bool { return inOrder(source, parts) }) {
			t.Errorf("docs/troubleshooting.md quotes a message that is in no Go file (any more):\n%s", message[1])
		}
	}
}

// texts returns a Go file with the texts that are put together of several literals in one piece, and their quotes as they are printed.
func texts(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	joined := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(string(content), "")
	return strings.ReplaceAll(joined, `\"`, `"`)
}

// inOrder reports whether a text has all parts, one after the other.
func inOrder(text string, parts []string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

func longest(parts []string) int {
	most := 0
	for _, part := range parts {
		most = max(most, len(part))
	}
	return most
}
