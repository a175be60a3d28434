package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// The roles that a selector's of can name. The pods of the workload carry them in a label.
const (
	OfDriver   = history.RoleDriver
	OfExecutor = history.RoleExecutor
)

// roles are the words for what a selector's of can name.
func roles() []string { return append([]string{OfDriver, OfExecutor}, ComponentRoles()...) }

// NodeSelector selects the node that a fault hits: the one that carries a pod of the application at the moment
// of the injection ({of: driver}, {of: executor, index: 0}), or one by its name ({name: worker-2}).
type NodeSelector struct {
	// Of is driver or executor, of the live incarnation, or stagingServer, shuffleService or manifest/NAME, the first by its pod's
	// name: the node on which that pod runs.
	Of string `json:"of,omitempty" words:"role" also:"^manifest/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"`
	// Index counts the live incarnation's executors from 0, in the order of their executor ids. Absent: the plan chooses by its seed.
	Index *int `json:"index,omitempty" min:"0" max:"999"`
	// Without is driver: executors on the driver's node do not count, so the driver's node is spared.
	Without string `json:"without,omitempty" enum:"driver"`
	// Name is the node's name; excludes the others.
	Name string `json:"name,omitempty" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"`
}

// PodSelector selects the pod of the workload that a fault hits: {of: driver}, {of: executor, index: 0}, {of: shuffleService,
// beside: executor}, or one by name.
type PodSelector struct {
	// Of is driver or executor, of the live incarnation, or stagingServer, shuffleService or manifest/NAME (of the workload's
	// manifests), the first by its pod's name.
	Of string `json:"of,omitempty" words:"role" also:"^manifest/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"`
	// Beside is driver or executor: of several staging servers or shuffle services, the one on the same node as that pod.
	Beside string `json:"beside,omitempty" enum:"driver|executor"`
	// Index counts the live incarnation's executors from 0, in the order of their executor ids. Absent: the plan chooses by its seed.
	Index *int `json:"index,omitempty" min:"0" max:"999"`
	// Name is the pod's name in the run's namespace; excludes the others.
	Name string `json:"name,omitempty" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"`
}

// Problems returns what is wrong with the selector of the given field, one problem each.
func (s NodeSelector) Problems(field string) []string {
	problems := selectorProblems(field, s.Of, s.Index, s.Name)
	if s.Without == "" {
		return problems
	}
	if s.Without != OfDriver {
		problems = append(problems, fmt.Sprintf("%s.without is %q: only %q can be spared", field, s.Without, OfDriver))
	}
	if s.Of != OfExecutor {
		problems = append(problems, fmt.Sprintf("%s.without needs %s.of: %s", field, field, OfExecutor))
	}
	return problems
}

// Problems returns what is wrong with the selector of the given field, one problem each.
func (s PodSelector) Problems(field string) []string {
	if s.Beside == "" {
		return selectorProblems(field, s.Of, s.Index, s.Name)
	}
	problems := selectorProblems(field, s.Of, nil, s.Name)
	if !slices.Contains(ComponentRoles(), s.Of) && !isManifestRole(s.Of) {
		problems = append(problems, fmt.Sprintf("%s.beside needs %s.of: %s", field, field, strings.Join(ComponentRoles(), " or ")))
	}
	return append(problems, selectorProblems(field+" (beside)", s.Beside, s.Index, "")...)
}

// Choose decides what the selector leaves open: the executor's index, by pick, which returns a number in [0, n),
// among the executors that the workload asks for.
//
// With Without it is always the first: how many executors remain is known only when the fault hits.
func (s *NodeSelector) Choose(executors int, pick func(n int) int) {
	if s.Without != "" {
		executors = min(executors, 1)
	}
	s.Index = chooseIndex(s.Of, s.Index, executors, pick)
}

// Choose decides what the selector leaves open: the executor's index, by pick, which returns a number in [0, n),
// among the executors that the workload asks for.
func (s *PodSelector) Choose(executors int, pick func(n int) int) {
	of := s.Of
	if s.Beside != "" {
		of = s.Beside
	}
	s.Index = chooseIndex(of, s.Index, executors, pick)
}

// String says the selector in words: "the node of executor 0".
func (s NodeSelector) String() string {
	if s.Name != "" {
		return "node " + s.Name
	}
	words := "the node of " + role(s.Of, s.Index)
	if s.Without != "" {
		words += ", those on the " + s.Without + "'s node not counted"
	}
	return words
}

// String says the selector in words: "the pod of executor 0".
func (s PodSelector) String() string {
	if s.Name != "" {
		return "pod " + s.Name
	}
	if s.Beside != "" {
		return "the pod of " + role(s.Of, nil) + " on the node of " + role(s.Beside, s.Index)
	}
	return "the pod of " + role(s.Of, s.Index)
}

func role(of string, index *int) string {
	for _, c := range components() {
		if of == c.role {
			return c.words
		}
	}
	switch {
	case isManifestRole(of):
		return of
	case of != OfExecutor:
		return "the " + of
	case index == nil:
		return "an executor of the seed's choice"
	default:
		return fmt.Sprintf("executor number %d (counted from 0)", *index)
	}
}

func chooseIndex(of string, index *int, executors int, pick func(n int) int) *int {
	if of != OfExecutor || index != nil || executors < 1 {
		return index
	}
	chosen := pick(executors)
	return &chosen
}

func selectorProblems(field, of string, index *int, name string) []string {
	var problems []string
	switch {
	case name != "" && of != "":
		problems = append(problems, fmt.Sprintf("%s has both of and name: keep one", field))
	case name == "" && of == "":
		problems = append(problems, fmt.Sprintf("%s selects nothing: give name, or of: %s", field, strings.Join(roles(), ", ")))
	case of != "" && !slices.Contains(roles(), of) && !isManifestRole(of):
		problems = append(problems, fmt.Sprintf("%s.of is %q: expected one of %s", field, of, strings.Join(roles(), ", ")))
	}
	if index == nil {
		return problems
	}
	if of != OfExecutor {
		problems = append(problems, fmt.Sprintf("%s.index needs %s.of: %s", field, field, OfExecutor))
	}
	if *index < 0 {
		problems = append(problems, fmt.Sprintf("%s.index is %d: expected 0 or more", field, *index))
	}
	return problems
}
