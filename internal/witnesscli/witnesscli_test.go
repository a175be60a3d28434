package witnesscli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheStreamBeginsOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), beganFile)
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, now := range []time.Time{first, first.Add(time.Hour)} { // the second process is a pod's replacement
		if got, err := began(file, now); err != nil || !got.Equal(first) {
			t.Errorf("at %v: began %v, %v, want %v", now, got, err, first)
		}
	}
	if err := os.WriteFile(file, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := began(file, first); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged file: %v", err)
	}
}
