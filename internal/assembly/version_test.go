package assembly

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: version}, Settings: settings}
	}
	tests := map[string]struct {
		info   *debug.BuildInfo
		linked string
		want   string
	}{
		"release": {info("v1.0.0"), "", "v1.0.0 go1.26.0"},
		"linked":  {info("(devel)"), "v1.2.3", "v1.2.3 go1.26.0"},
		"linked in a checkout": {info("v1.0.0", debug.BuildSetting{Key: "vcs.revision", Value: "abc"}), "v1.2.3",
			"v1.2.3 commit abc go1.26.0"},
		"checkout": {info("", debug.BuildSetting{Key: "vcs.revision", Value: "abc"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "",
			"(devel) commit abc with uncommitted changes go1.26.0"},
		"nothing":                {nil, "", "of unknown version (built without module support)"},
		"nothing but the linker": {nil, "v1.2.3", "v1.2.3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := describe(test.info, test.linked); got != test.want {
				t.Errorf("describe = %q, want %q", got, test.want)
			}
		})
	}
}
