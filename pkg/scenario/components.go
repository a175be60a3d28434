package scenario

// component is what the format of scenarios knows of a server that a workload may have around its driver. How it is run is
// the launcher's; see launcher.Component.
type component struct {
	role      string                          // by which targets name it, and the field of the workload that configures it
	words     string                          // how a sentence names it: "the staging server"
	present   func(w Workload) bool           // whether a workload has it
	fill      func(w *Workload)               // sets its defaults
	check     func(w Workload, report report) // finds what the types alone cannot
	variables func(w Workload) []string       // the environment variables whose values it is given; nil: none
}

// components lists them in the order in which their problems are reported.
func components() []component {
	return []component{stagingServer(), shuffleService()}
}

// ComponentRoles returns the roles of components by which targets can name their pods.
func ComponentRoles() []string {
	var roles []string
	for _, c := range components() {
		roles = append(roles, c.role)
	}
	return roles
}

// Words returns the sets of words that struct tags name with the key words.
func Words() map[string][]string {
	return map[string][]string{"role": roles(), "component": ComponentRoles()}
}
