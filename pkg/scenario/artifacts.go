package scenario

import "strings"

// imageScheme begins the name of a jar that comes with the image.
const imageScheme = "local://"

// Artifacts returns the files of an application that pods have to fetch, as the scenario names them: its jar first unless
// it comes with the image.
func Artifacts(a Application) []string {
	var names []string
	if a.Jar != "" && !strings.HasPrefix(a.Jar, imageScheme) {
		names = append(names, a.Jar)
	}
	return append(names, a.Files...)
}

// Enabled says whether there is a staging server.
func (s StagingServer) Enabled() bool { return s.Storage != "" && s.Storage != StagingNone }
