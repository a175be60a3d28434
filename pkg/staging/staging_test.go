package staging

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOwner(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		json string
		want []string // parts of the error; none: it is fine
	}{
		"as the original sends it": {`{"ownerNamespace":"ns","ownerLabels":{"spark-app-selector":"spark-1","spark-role":"driver"},` +
			`"ownerType":"Pod"}`, nil},
		"another type": {`{"ownerNamespace":"ns","ownerLabels":{"a":"b"},"ownerType":"Job"}`,
			[]string{`ownerType is "Job", want "Pod"`}},
		"all wrong":             {`{}`, []string{"ownerType", "ownerNamespace", "ownerLabels"}},
		"labels that match all": {`{"ownerNamespace":"ns","ownerLabels":{},"ownerType":"Pod"}`, []string{"ownerLabels are missing"}},
		"no label":              {`{"ownerNamespace":"ns","ownerLabels":{"a b":"c,d"},"ownerType":"Pod"}`, []string{`label "a b"`, `"c,d"`}},
		"path as namespace":     {`{"ownerNamespace":"../x","ownerLabels":{"a":"b"},"ownerType":"Pod"}`, []string{`ownerNamespace "../x"`}},
		"unknown field":         {`{"ownerNamespace":"ns","ownerLabels":{"a":"b"},"ownerType":"Pod","more":1}`, []string{"more"}},
		"two values":            {`{"ownerNamespace":"ns","ownerLabels":{"a":"b"},"ownerType":"Pod"}{}`, []string{"more follows"}},
		"other types":           {`{"ownerNamespace":1}`, []string{"not the JSON of an owner"}},
		"no JSON":               {`x`, []string{"not the JSON of an owner"}},
		"nothing":               {``, []string{"not the JSON of an owner"}},
	} {
		_, err := ParseOwner([]byte(tc.json))
		if (err == nil) != (tc.want == nil) {
			t.Errorf("%s: error %v", name, err)
		}
		for _, want := range tc.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q lacks %q", name, err, want)
			}
		}
	}
}

// FuzzParseOwner: an owner that was accepted is written and read again as the same.
func FuzzParseOwner(f *testing.F) {
	f.Add([]byte(`{"ownerNamespace":"ns","ownerLabels":{"a":"b"},"ownerType":"Pod"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		owner, err := ParseOwner(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(owner)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseOwner(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(owner, again); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDigestHeader(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0a", 32)
	header := map[string][]string{DigestHeader: {FormatDigest(sum)}}
	if got := digestOf(header); got != sum {
		t.Errorf("digest %q, want %q", got, sum)
	}
	for _, bad := range []string{"", "xx", "0a"} {
		if got := FormatDigest(bad); got != "" {
			t.Errorf("FormatDigest(%q) = %q", bad, got)
		}
	}
	for _, bad := range []string{"", "sha-256=:x:", "sha-512=:AAAA:", "sha-256=:AAAA:"} {
		if got := digestOf(map[string][]string{DigestHeader: {bad}}); got != "" {
			t.Errorf("digest of %q is %q", bad, got)
		}
	}
}

func TestDefinitive(t *testing.T) {
	t.Parallel()
	if Definitive(errors.New("x")) || Definitive(&UnavailableError{Err: errors.New("x")}) || Definitive(nil) {
		t.Error("what may pass is taken for definitive")
	}
	if !Definitive(errors.Join(&RefusedError{Err: ErrUnknown})) {
		t.Error("a refusal is not definitive")
	}
}

func TestTicketsDoNotPrintSecrets(t *testing.T) {
	t.Parallel()
	if text := (Ticket{ID: "1", Secret: "hush"}).String(); strings.Contains(text, "hush") {
		t.Errorf("String gives %q", text)
	}
}
