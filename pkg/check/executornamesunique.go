package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func executorNamesUnique() Definition {
	return Definition{
		Name: "executorNamesUnique",
		Doc: "No name of an executor pod is requested twice, in particular not by different incarnations of the driver. A name that the API " +
			"server refused because it exists (409) counts as requested.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkNames) },
	}
}

// request is an executor's name that an incarnation asked for.
type request struct {
	by  *model.Incarnation
	pod *model.Pod // nil if it was refused
	at  model.Moment
}

func (r request) String() string {
	if r.pod == nil {
		return fmt.Sprintf("%s was refused an executor pod", r.by)
	}
	return fmt.Sprintf("%s made an executor pod", r.by)
}

func checkNames(m *model.Model) Result {
	incarnations := m.Incarnations()
	f := NewFinding(m)
	byName := requests(m, incarnations)
	askers := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		requests := byName[name]
		if a, b, twice := collision(requests); twice {
			f.Measured = fmt.Sprintf("%s asked for %s", name, wording.Count(len(requests), "time"))
			f.Cite(a.at, "%s %s", a, name)
			f.Cite(b.at, "%s %s", b, name)
			return f.Proven("the executor name %s was asked for by %s and again by %s", name, a.by, b.by)
		}
		for _, r := range requests {
			askers[r.by.Number] = true
		}
	}
	f.Measured = wording.Count(len(byName), "name") + " by " + wording.Count(len(askers), "incarnation")
	f.AssumeWitnessed(incarnations)
	nameless := namelessRefusals(m, incarnations)
	f.Assume(nameless == 0, "each refusal says why, and which name it is about if that is taken (not %d)", nameless)
	if untold := untoldRefusals(m, incarnations); untold > 0 {
		f.Assume(false, "each refusal was told (%d were held back)", untold)
	}
	strangers := strangeRefusals(m, incarnations)
	f.Assume(len(strangers) == 0, "the holder of each refused name is known%s", wording.Except(strangers))
	if m.Succession(incarnations) && !f.Assume(len(askers) > 1, "at least two incarnations asked for executors") {
		return f.Inconclusive("%s asked for executors, so names could not collide", wording.Count(len(askers), "incarnation"))
	}
	if !f.Assume(len(byName) > 1, "at least two executors were asked for") {
		return f.Inconclusive("%s asked for, too few to collide", wording.Count(len(byName), "executor name"))
	}
	f.citeFirstRequests(incarnations, byName)
	return f.Held("%s asked for by %s, each once", wording.Count(len(byName), "executor name"), wording.Count(len(askers), "incarnation"))
}

// requests returns what names the incarnations asked for, each in the order of the incarnations.
func requests(m *model.Model, incarnations model.Incarnations) map[string][]request {
	byName := map[string][]request{}
	for _, incarnation := range incarnations {
		for _, pod := range m.Executors(incarnation) {
			byName[pod.Name] = append(byName[pod.Name], request{by: incarnation, pod: pod, at: pod.Added})
		}
		for _, refusal := range m.Refused {
			if refusal.Driver == incarnation.UID && exists(refusal) {
				byName[refusal.Name] = append(byName[refusal.Name], request{by: incarnation, at: refusal.At})
			}
		}
	}
	return byName
}

// exists says that the refusal means that the name is taken.
func exists(r model.Refusal) bool {
	code, err := strconv.Atoi(r.Code)
	return err == nil && code == 409 && r.Name != ""
}

// collision returns two requests for one name that must not be. It is no
// collision if an incarnation is refused the name of its own pod: a creation whose answer was lost is tried again.
func collision(requests []request) (request, request, bool) {
	for i, a := range requests {
		for _, b := range requests[i+1:] {
			if a.by != b.by || a.pod != nil && b.pod != nil {
				return a, b, true
			}
		}
	}
	return request{}, request{}, false
}

// strangeRefusals returns refused names that no incarnation is known to have held.
func strangeRefusals(m *model.Model, incarnations model.Incarnations) []string {
	held := map[string]bool{}
	for _, incarnation := range incarnations {
		for _, pod := range m.Executors(incarnation) {
			held[pod.Name] = true
		}
	}
	var strange []string
	for _, refusal := range m.Refused {
		if exists(refusal) && !held[refusal.Name] && asked(incarnations, refusal) {
			strange = append(strange, refusal.Name)
		}
	}
	slices.Sort(strange)
	return slices.Compact(strange)
}

// namelessRefusals counts the refusals that do not say why, or not which name is taken.
func namelessRefusals(m *model.Model, incarnations model.Incarnations) int {
	n := 0
	for _, refusal := range m.Refused {
		code, err := strconv.Atoi(refusal.Code)
		if (err != nil || code == 409 && refusal.Name == "") && asked(incarnations, refusal) {
			n++
		}
	}
	return n
}

// untoldRefusals counts the refusals that the incarnations held back: a driver that is refused again and again reports some only.
func untoldRefusals(m *model.Model, incarnations model.Incarnations) int64 {
	n := int64(0)
	for _, refusal := range m.Refused {
		if asked(incarnations, refusal) {
			n += refusal.Before
		}
	}
	return n
}

// asked reports whether an incarnation was refused, and not a driver of the run without faults, or another one.
func asked(incarnations model.Incarnations, refusal model.Refusal) bool {
	return slices.ContainsFunc(incarnations, func(i *model.Incarnation) bool { return i.UID == refusal.Driver })
}

// citeFirstRequests cites one name an incarnation.
func (f *Finding) citeFirstRequests(incarnations model.Incarnations, byName map[string][]request) {
	names := slices.Sorted(maps.Keys(byName))
	for _, incarnation := range incarnations {
		for _, name := range names {
			if r := byName[name][0]; r.by == incarnation {
				f.Cite(r.at, "%s %s", r, name)
				break
			}
		}
	}
}
