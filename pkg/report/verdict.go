package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// VerdictFormatVersion is the version of verdict.json that this package reads and writes.
const VerdictFormatVersion = 1

// jsonFormat is a report for programs: the verdict itself.
func jsonFormat() definition {
	return definition{format: JSON, file: VerdictFile, render: func(verdict check.RunVerdict, _ RunInfo, _ Style) ([]byte, error) {
		return EncodeVerdict(verdict)
	}}
}

// EncodeVerdict writes verdict.json: the same verdict gives the same bytes.
func EncodeVerdict(verdict check.RunVerdict) ([]byte, error) {
	verdict.FormatVersion = VerdictFormatVersion
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(verdict); err != nil {
		return nil, fmt.Errorf("encode verdict: %w", err)
	}
	return buffer.Bytes(), nil
}

// DecodeVerdict reads verdict.json. It refuses another format version, unknown fields and unknown verdicts.
func DecodeVerdict(content []byte) (check.RunVerdict, error) {
	var version struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return check.RunVerdict{}, fmt.Errorf("verdict is not JSON: %w", err)
	}
	if version.FormatVersion != VerdictFormatVersion {
		return check.RunVerdict{}, fmt.Errorf("verdict has format version %d: expected %d; judge the run again with sparkchaos check",
			version.FormatVersion, VerdictFormatVersion)
	}
	var verdict check.RunVerdict
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&verdict); err != nil {
		return check.RunVerdict{}, fmt.Errorf("verdict cannot be read: %w", err)
	}
	return verdict, knownVerdicts(verdict)
}

func knownVerdicts(run check.RunVerdict) error {
	known := []check.Verdict{check.Violation, check.Error, check.Inconclusive, check.Pass}
	var problems []error
	test := func(where string, verdict check.Verdict) {
		if !slices.Contains(known, verdict) {
			problems = append(problems, fmt.Errorf("verdict of %s is %q: expected one of %v", where, verdict, known))
		}
	}
	test("the run", run.Verdict)
	for _, result := range run.Results {
		test("invariant "+result.Invariant, result.Verdict)
	}
	if run.Control != nil {
		test("the control, expected,", run.Control.Expected)
		test("the control, judged,", run.Control.Judged)
	}
	return errors.Join(problems...)
}
