package check

import (
	"fmt"
	"strings"
)

func nothingLeftBehind() Definition {
	return Definition{
		Name: "nothingLeftBehind",
		Doc:  "After the clean-up nothing of the run is left: the harness looked, and found nothing.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkLeftovers) },
	}
}

func checkLeftovers(m *Model) Result {
	f := m.finding()
	if !f.assume(m.Leftovers != nil, "the harness looked for leftovers after the clean-up") {
		return f.inconclusive("nobody looked for leftovers")
	}
	found := m.Leftovers.Found
	f.Measured, f.Bound = fmt.Sprintf("%d left", len(found)), "0 left"
	looked := f.assume(len(m.Leftovers.Checked) > 0, "something was looked for")
	f.assume(len(m.Leftovers.Errors) == 0, "looking succeeded%s", because(m.Leftovers.Errors))
	if len(found) > 0 {
		var names []string
		for _, object := range found {
			names = append(names, object.Kind+" "+object.Name)
		}
		f.cite(m.LeftoversAt, "left behind: %s", strings.Join(names, ", "))
		return f.violated("%d objects were left behind: %s", len(found), strings.Join(names, ", "))
	}
	if looked {
		f.cite(m.LeftoversAt, "looked for %s and found nothing", strings.Join(m.Leftovers.Checked, ", "))
	}
	return f.held("nothing was left behind")
}

// because adds the errors to an assumption that they refute.
func because(errs []string) string {
	if len(errs) == 0 {
		return ""
	}
	return " (it failed: " + strings.Join(errs, "; ") + ")"
}
