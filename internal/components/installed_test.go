package components

import (
	"runtime/debug"
	"testing"
)

func TestPublished(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		main debug.Module
		want bool
	}{
		"from a proxy":              {debug.Module{Path: modulePath, Version: "v1.2.3", Sum: "h1:x="}, true},
		"a commit from a proxy":     {debug.Module{Path: modulePath, Version: "v0.0.0-20260102030405-0123456789ab", Sum: "h1:x="}, true},
		"a release":                 {debug.Module{Path: modulePath, Version: "v1.2.3"}, true},
		"a release candidate":       {debug.Module{Path: modulePath, Version: "v1.2.3-rc.1"}, true},
		"a commit":                  {debug.Module{Path: modulePath, Version: "v0.0.0-20260102030405-0123456789ab"}, false},
		"a release that was edited": {debug.Module{Path: modulePath, Version: "v1.2.3+dirty"}, false},
		"a checkout":                {debug.Module{Path: modulePath, Version: "(devel)"}, false},
		"another program":           {debug.Module{Path: "example.com/other", Version: "v1.2.3", Sum: "h1:x="}, false},
	} {
		if got := published(tt.main); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
