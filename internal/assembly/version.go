package assembly

import (
	"cmp"
	"runtime/debug"
)

// linked is the version of a build outside of git, as of a source archive. The linker alone sets it:
//
//	go build -ldflags "-X github.com/sparkchaos/sparkchaos/internal/assembly.linked=v1.2.3" ./cmd/sparkchaos
var linked string

// Version is that of this program: what the linker was told, or else what the go command stamped into it.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return describe(info, linked)
}

// describe says what a binary was built from: version or commit, uncommitted changes, Go.
func describe(info *debug.BuildInfo, linked string) string {
	if info == nil {
		return cmp.Or(linked, "of unknown version (built without module support)")
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	text := cmp.Or(linked, info.Main.Version, "(devel)")
	if revision := settings["vcs.revision"]; revision != "" {
		text += " commit " + revision
	}
	if settings["vcs.modified"] == "true" {
		text += " with uncommitted changes"
	}
	return text + " " + info.GoVersion
}
