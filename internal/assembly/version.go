package assembly

import "runtime/debug"

// Version is that of this program.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return describe(info)
}

// describe says what a binary was built from: version or commit, uncommitted changes, Go.
func describe(info *debug.BuildInfo) string {
	if info == nil {
		return "of unknown version (built without module support)"
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		text += " commit " + revision
	}
	if settings["vcs.modified"] == "true" {
		text += " with uncommitted changes"
	}
	return text + " " + info.GoVersion
}
