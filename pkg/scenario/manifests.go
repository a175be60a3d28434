package scenario

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// manifestRole begins the role of pods that a manifest makes: manifest/minio for those of the object minio.
const manifestRole = "manifest/"

// ManifestRole returns the role by which targets name the pods of an object of the workload's manifests.
func ManifestRole(object string) string { return manifestRole + object }

// isManifestRole reports whether a role is that of a manifest's pods.
func isManifestRole(role string) bool { return strings.HasPrefix(role, manifestRole) }

// checkManifests finds files that cannot be manifests.
func checkManifests(w Workload, report report) {
	for i, name := range w.Manifests {
		at := fmt.Sprintf("spec.workload.manifests[%d]", i)
		switch why := outside(name); {
		case why != "":
			report(at, "%q %s; files are taken from the scenario's directory and below it alone", name, why)
		case !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			report(at, "%q is no manifest by its ending; want .yaml, .yml or .json", name)
		case slices.Index(w.Manifests, name) < i:
			report(at, "%q is named twice; keep one", name)
		}
	}
}
