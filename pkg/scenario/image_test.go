package scenario

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problemsWith returns what is wrong with the good scenario once texts in it are replaced, as old, new, old, new ….
func problemsWith(t *testing.T, changes ...string) []string {
	t.Helper()
	text := good
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%q is not in the scenario", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	_, err := Load("f.yaml", []byte(text), fakeCatalogue())
	var problems *Error
	if err != nil && !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var words []string
	if problems != nil {
		for _, problem := range problems.Problems {
			words = append(words, fmt.Sprintf("%d:%d: %s: %s", problem.Line, problem.Column, problem.Path, problem.Message))
		}
	}
	return words
}

func TestImagesOfAWorkload(t *testing.T) {
	t.Parallel()
	const conf = "    conf: {"
	for name, tt := range map[string]struct {
		lines string
		want  []string
	}{
		"a release":    {"    spark: {version: 3.5.9, python: true}\n", nil},
		"Python alone": {"    spark: {python: true}\n", nil},
		"an unknown line": {"    spark: {version: 3.3.1}\n", []string{"12:22: spec.workload.spark.version: Spark 3.3.1 is not supported; want " +
			"one of 3.4, 3.5, 4.0, 4.1, 4.2, 4.3"}},
		"no version": {"    spark: {version: \"3.5\"}\n", []string{`12:22: spec.workload.spark.version: "3.5" does not fit; want a text that ` +
			`matches ^[0-9]+\.[0-9]+\.[0-9]+$, for example 3.5.9`}},
		"an archive": {"    imageArchive: images/etl.tar.gz\n", nil},
		"an archive, besides": {"    image: r/i:1\n    imageArchive: etl.tar\n", []string{"13:19: spec.workload.imageArchive: is a second " +
			"image of the workload; keep one of image, imageArchive and spark"}},
		"an archive elsewhere": {"    imageArchive: ../etl.tar\n", []string{`12:19: spec.workload.imageArchive: "../etl.tar" has ".." in it; ` +
			"files are taken from the scenario's directory and below it alone"}},
		"no archive": {"    imageArchive: etl.zip\n", []string{`12:19: spec.workload.imageArchive: "etl.zip" does not fit; want a text that ` +
			`matches ^[^\s:]+\.(tar|tar\.gz|tgz)$, for example etl.tar`}},
		"a reference, besides": {"    image: r/i:1\n    spark: {python: true}\n", []string{"13:12: spec.workload.spark: is a second image of " +
			"the workload; keep one of image and spark"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problemsWith(t, conf, tt.lines+conf)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutTheWitness(t *testing.T) {
	t.Parallel()
	const conf = "    conf: {"
	anchor := "; await something that Kubernetes shows (driverRescheduled, faultLanded, faultRecovered) with a delay, or write witness: on"
	for name, tt := range map[string]struct {
		changes []string
		want    []string
	}{
		"on": {[]string{conf, "    witness: on\n" + conf}, nil},
		"all that it shows": {[]string{conf, "    witness: off\n" + conf}, []string{
			"14:13: spec.baseline: a run is compared with its baseline by what the witness reports, which is off; leave baseline out or write " +
				"witness: on",
			"18:33: spec.faults[0].when.executorsRegistered: only the witness shows it, which is off" + anchor,
		}},
		"a recovery": {[]string{conf, "    witness: off\n" + conf, "baseline: true", "baseline: false", "  - resultEqualsBaseline: {}\n", "",
			"when: {executorsRegistered: {atLeast: 2}", "when: {driverRescheduled: {}", "recover: {when: {driverRescheduled: {}}",
			"recover: {when: {executorsRegistered: {atLeast: 1}}"}, []string{
			"19:43: spec.faults[0].recover.when.executorsRegistered: only the witness shows it, which is off" + anchor}},
		"words": {[]string{conf, "    witness: off\n" + conf, "baseline: true", "baseline: false", "  - resultEqualsBaseline: {}\n", "",
			"executorsRegistered: {atLeast: 2}", "driverRescheduled: {}",
			"--x=1", "--source=$(SPARKCHAOS_SOURCE_URL)"}, []string{
			"12:14: spec.workload.witness: the application reads the words of $(SPARKCHAOS_SOURCE_…), which are served beside the witness; write " +
				"witness: on"}},
		"another word": {[]string{conf, "    witness: no\n" + conf}, []string{`12:14: spec.workload.witness: "no" is not accepted; known ` +
			`are on, off`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problemsWith(t, tt.changes...)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
