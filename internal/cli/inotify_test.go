package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestInotifyNote(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{"128\n": true, "512\n": false, "8192\n": false, "": false} {
		note := inotifyNote(func(string) ([]byte, error) { return []byte(content), nil })
		if (note != "") != want || want && !strings.Contains(note, "is 128") {
			t.Errorf("of %q: %q", content, note)
		}
	}
	if note := inotifyNote(func(string) ([]byte, error) { return nil, errors.New("no such file") }); note != "" {
		t.Errorf("without the setting: %q", note)
	}
}
