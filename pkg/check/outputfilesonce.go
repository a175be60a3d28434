package check

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func outputFilesOnce() Definition {
	return Definition{
		Name: "outputFilesOnce", Files: true,
		Doc: "The files of each output of the workload come from a single write: no directory of an unfinished write (_temporary) is left, " +
			"and no directory has files of several writes. Files of several writes prove nothing if the run without faults has such " +
			"directories, too, or if there is no such run, or if the table itself lists the files that count.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkOutputFiles) },
	}
}

func checkOutputFiles(m *model.Model) Result {
	var results []Result
	for _, output := range plannedOutputs(m) {
		if output.HasFiles() {
			results = append(results, checkFiles(m, output))
		}
	}
	if len(results) == 0 {
		f := NewFinding(m)
		f.Assume(false, "the workload has an output with files")
		return f.Inconclusive("the plan names no output whose files could be looked at")
	}
	return joined(results)
}

// checkFiles judges the files of one output.
func checkFiles(m *model.Model, planned scenario.Output) Result {
	f, name := NewFinding(m), planned.Name()
	output, why := f.assumeRead(name)
	files := output.Data.Files
	if why != "" || !f.Assume(files != nil, "the files of output %s are known", name) {
		return f.Inconclusive("the files of output %s are not known%s", name, why)
	}
	well, _, _ := completed(m)
	f.Cite(well, "the application ended well")
	f.Assume(!well.Never(), "the application ended well")
	f.Measured = wording.Count(int(files.Count), "file")
	if files.Temporaries > 0 {
		return f.Violated("output %s has %s of writes that were not finished: %s%s",
			name, directories(files.Temporaries), wording.Some(files.Temporary), wording.More(files.Temporaries-len(files.Temporary)))
	}
	if files.SharedCount == 0 || files.Log != "" {
		return f.Held("output %s has %s, none of them of a write that was repeated or not finished", name, f.Measured)
	}
	shared := describeShared(files)
	before, known := baselineOutput(m, name)
	once := known && before.Files != nil && before.Files.SharedCount == 0
	if !f.Assume(once, "without faults, each directory of output %s has files of one write", name) {
		return f.Inconclusive("output %s has %s; but the application may do so by itself", name, shared)
	}
	f.Cite(m.BaselineAt, "in the run without faults, each directory of output %s has files of one write", name)
	return f.Violated("output %s has %s", name, shared)
}

// describeShared says which directories have files of several writes.
func describeShared(files *history.OutputFiles) string {
	var all []string
	for _, shared := range files.Shared {
		all = append(all, fmt.Sprintf("%s (%d writes: %s)", shared.Directory, shared.Writes, wording.Some(shared.Examples)))
	}
	more := wording.More(files.SharedCount - len(all))
	return fmt.Sprintf("%s with files of several writes: %s%s", directories(files.SharedCount), wording.Some(all), more)
}

func directories(n int) string {
	if n == 1 {
		return "1 directory"
	}
	return fmt.Sprintf("%d directories", n)
}
