package scenario

import "strings"

// Artifacts returns the files of an application that pods have to fetch, as the scenario names them: its jar first unless
// it has a scheme, as one that comes with the image has.
func Artifacts(a Application) []string {
	var names []string
	if a.Jar != "" && !strings.Contains(a.Jar, ":") {
		names = append(names, a.Jar)
	}
	return append(names, a.Files...)
}
