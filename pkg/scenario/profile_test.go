package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResilientProfileLeavesTheUsersSettings(t *testing.T) {
	t.Parallel()
	given := map[string]ConfValue{"spark.network.timeout": Plain("90s"), "spark.locality.wait": Plain("0")}
	s := &Scenario{}
	s.Spec.Workload.Conf = given
	Default(s)
	w := s.Spec.Workload
	if w.Profile != ProfileResilient {
		t.Errorf("profile is %q, want %s by default", w.Profile, ProfileResilient)
	}
	if got := w.Conf["spark.network.timeout"]; got != Plain("90s") {
		t.Errorf("spark.network.timeout is %s, want the user's 90s", got)
	}
	if _, from := FromProfile(w, "spark.network.timeout"); from {
		t.Error("the user's own value is taken for the profile's")
	}
	if setting, from := FromProfile(w, "spark.shuffle.io.maxRetries"); !from || setting.Why == "" {
		t.Errorf("spark.shuffle.io.maxRetries: got %+v, want the profile's setting with its reason", setting)
	}
	if len(given) != 2 {
		t.Errorf("the scenario's own map was changed: %v", given)
	}
}

func TestStockProfileAddsNothing(t *testing.T) {
	t.Parallel()
	s := &Scenario{}
	s.Spec.Workload.Profile = ProfileStock
	Default(s)
	if len(s.Spec.Workload.Conf) != 0 {
		t.Errorf("stock adds %v, want nothing", s.Spec.Workload.Conf)
	}
}

func TestProfileSettingsSayWhy(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range ProfileSettings(ProfileResilient) {
		if !strings.HasPrefix(s.Key, "spark.") || s.Value == "" || s.Why == "" || seen[s.Key] {
			t.Errorf("setting %+v: want a Spark setting, once, with value and reason", s)
		}
		seen[s.Key] = true
	}
	if seen["spark.app.id"] {
		t.Error("spark.app.id must be in no profile: a fixed one costs the living driver its executors")
	}
}

// TestTheDocsShowTheProfile keeps what people read equal to what is set.
func TestTheDocsShowTheProfile(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "streaming.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ProfileSettings(ProfileResilient) {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", s.Key, s.Value, s.Why); !strings.Contains(string(docs), row) {
			t.Errorf("docs/streaming.md has no row %q", row)
		}
	}
}
