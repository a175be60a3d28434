package check

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// roundingShare is by how much of the sum of absolute values two totals may differ because numbers were added in another order. A double
// has about 16 digits, and additions lose few of them.
const roundingShare = 1e-9

// rounded returns the columns of floating-point numbers in which two outputs differ, if nothing else tells them apart, and not by more than
// the order in which numbers are added explains; nil if there is another difference.
func rounded(wanted, got history.OutputData, d difference, keyed bool) []string {
	if wanted.Rows != got.Rows || keyed && d.lost.count+d.doubled.count+d.fresh.count > 0 {
		return nil
	}
	names := differingColumns(wanted.Columns, got.Columns)
	for _, name := range names {
		before, after := columnNamed(wanted, name), columnNamed(got, name)
		if before.Type != after.Type || !floating(before.Type) || !closeTotals(before, after) {
			return nil
		}
	}
	return names
}

func columnNamed(o history.OutputData, name string) history.OutputColumn {
	i := slices.IndexFunc(o.Columns, func(c history.OutputColumn) bool { return c.Name == name })
	if i < 0 {
		return history.OutputColumn{}
	}
	return o.Columns[i]
}

// floating reports whether a type is, or has within it, one of floating-point numbers.
func floating(dataType string) bool {
	return strings.Contains(dataType, "double") || strings.Contains(dataType, "float")
}

// closeTotals reports whether the totals of two columns are so close that only rounding tells them apart, or whether nobody knows because
// there are none.
func closeTotals(a, b history.OutputColumn) bool {
	if a.Total == "" || b.Total == "" || a.Total == b.Total {
		return true
	}
	totalA, totalB := number(a.Total), number(b.Total)
	return math.Abs(totalA-totalB) <= roundingShare*max(number(a.Magnitude), number(b.Magnitude))
}

// number returns what a total says; NaN, to which nothing is close, if it says nothing.
func number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}
