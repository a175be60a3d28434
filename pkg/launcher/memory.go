package launcher

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

const mebibyte = 1 << 20

// parseMemory reads a size as Spark writes it (512m, 1g, 2048k; without a unit in MiB) into whole MiB, rounded down.
func parseMemory(text string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(lower, "abcdefghijklmnopqrstuvwxyz")
	number, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size, want one like 512m or 2g", text)
	}
	units := map[string]float64{
		"b": 1.0 / mebibyte, "k": 1.0 / 1024, "kb": 1.0 / 1024, "": 1, "m": 1, "mb": 1,
		"g": 1 << 10, "gb": 1 << 10, "t": 1 << 20, "tb": 1 << 20, "p": 1 << 30, "pb": 1 << 30,
	}
	unit, ok := units[lower[len(digits):]]
	if !ok {
		return 0, fmt.Errorf("%q has an unknown unit, want b, k, m, g, t or p", text)
	}
	size := math.Floor(float64(number) * unit)
	if size > math.MaxInt64/mebibyte/2 {
		return 0, fmt.Errorf("%q is more than any machine has", text)
	}
	return int64(size), nil
}

// driverMemory returns what the driver's pod needs: the heap, and beside it what Spark allows for everything else
// (the settings spark.driver.memoryOverhead, memoryOverheadFactor and minMemoryOverhead, as in cluster mode).
func driverMemory(settings map[string]string) (resource.Quantity, error) {
	var problems []error
	size := func(key, fallback string) int64 {
		text, ok := settings[key]
		if !ok {
			text = fallback
		}
		mib, err := parseMemory(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("workload: %s: %w", key, err))
		}
		return mib
	}
	heap := size("spark.driver.memory", "1g")
	least := size("spark.driver.minMemoryOverhead", "384m")
	factor := 0.1
	if text, ok := settings["spark.driver.memoryOverheadFactor"]; ok {
		parsed, err := strconv.ParseFloat(text, 64)
		if err != nil || !(parsed > 0 && parsed < 100) {
			problems = append(problems, fmt.Errorf("workload: spark.driver.memoryOverheadFactor is %q, want a number above 0", text))
		}
		factor = parsed
	}
	overhead := max(least, int64(factor*float64(heap)))
	if _, ok := settings["spark.driver.memoryOverhead"]; ok {
		overhead = size("spark.driver.memoryOverhead", "")
	}
	if len(problems) > 0 {
		return resource.Quantity{}, errors.Join(problems...)
	}
	return *resource.NewQuantity((heap+overhead)*mebibyte, resource.BinarySI), nil
}
