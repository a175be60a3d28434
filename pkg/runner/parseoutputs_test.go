package runner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

func TestWhatAReaderTells(t *testing.T) {
	t.Parallel()
	log := "a\nb\n" + launcher.OutputMark + `{"error":"x"}` + "\nc\n\n" + launcher.OutputMark + "{\nd\n"
	read, tail := parseOutputs(log)
	if diff := cmp.Diff("b / c / d", tail); diff != "" {
		t.Error(diff)
	}
	if len(read) != 2 || read[0].Error != "x" || !strings.Contains(read[1].Error, "makes no sense") {
		t.Errorf("it tells %+v", read)
	}
}

// A fingerprint of many columns comes in several lines, with log lines and those of the other stream between them.
func TestFingerprintsInPartsAreJoined(t *testing.T) {
	t.Parallel()
	log := launcher.OutputMark + launcher.OutputMore + `{"error":"in ` + "\nWARN a log line\n" + launcher.OutputMark + launcher.OutputMore +
		" three " + "\r\n" +
		launcher.OutputMark + launcher.OutputLast + ` parts"}` + "\n" + launcher.OutputMark + launcher.OutputLast + `{"error":"x"}` + "\n" +
		launcher.OutputMark + launcher.OutputMore + `{"error":"cut`
	read, tail := parseOutputs(log)
	if tail != "WARN a log line" || len(read) != 2 || read[0].Error != "in  three  parts" || read[1].Error != "x" {
		t.Errorf("it tells %+v, tail %q", read, tail)
	}
}

func FuzzParseOutputs(f *testing.F) {
	f.Add(launcher.OutputMark + `{"rows":1,"sum":"1","distinct":1,"columns":[{"name":"id","type":"bigint","sum":"1"}],"sampleBits":0}`)
	f.Add(launcher.OutputMark + `{"error":"x"}`)
	f.Add(launcher.OutputMark + "null\n" + launcher.OutputMark)
	f.Fuzz(func(t *testing.T, log string) {
		read, _ := parseOutputs(log)
		for _, o := range read {
			if o.Error == "" && o.Check() != nil {
				t.Errorf("%+v was taken, though %v", o, o.Check())
			}
		}
	})
}
