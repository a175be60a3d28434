package cluster

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
)

func TestIdentitiesAreComparedStrictly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		a, b Identity
		want Likeness
	}{
		"the same":                           {Identity{"u", "c"}, Identity{"u", "c"}, Same},
		"the same, by UID alone":             {Identity{UID: "u"}, Identity{UID: "u"}, Same},
		"the same, by CA alone":              {Identity{CA: "c"}, Identity{CA: "c"}, Same},
		"another UID behind the same CA":     {Identity{"u", "c"}, Identity{"v", "c"}, Different},
		"a copy of the store, another CA":    {Identity{"u", "c"}, Identity{"u", "d"}, Different},
		"another UID, one CA unknown":        {Identity{"u", "c"}, Identity{UID: "v"}, Different},
		"the same UID, one CA unknown":       {Identity{"u", "c"}, Identity{UID: "u"}, Uncertain},
		"the same CA, one UID unknown":       {Identity{"u", "c"}, Identity{CA: "c"}, Uncertain},
		"nothing in common":                  {Identity{UID: "u"}, Identity{CA: "c"}, Uncertain},
		"one unknown":                        {Identity{"u", "c"}, Identity{}, Uncertain},
		"two unknown ones are not the same ": {Identity{}, Identity{}, Uncertain},
	} {
		if got := tt.a.Compare(tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if got := tt.b.Compare(tt.a); got != tt.want {
			t.Errorf("%s, the other way round: %v, want %v", name, got, tt.want)
		}
	}
}

// TestOnlyEqualIdentitiesAreTheSame checks that only identities with equal fields are the same.
func TestOnlyEqualIdentitiesAreTheSame(t *testing.T) {
	t.Parallel()
	var all []Identity
	for _, uid := range []string{"", "a", "b"} {
		for _, ca := range []string{"", "a", "b"} {
			all = append(all, Identity{UID: uid, CA: ca})
		}
	}
	for _, a := range all {
		for _, b := range all {
			if same := a.Compare(b) == Same; same != (a == b && a.Known()) {
				t.Errorf("%v and %v: same is %v", a, b, same)
			}
			if a.Compare(b) != b.Compare(a) {
				t.Errorf("%v and %v: the order matters", a, b)
			}
		}
	}
}

func bundle(between string, certificates ...string) []byte {
	var text strings.Builder
	for _, certificate := range certificates {
		text.WriteString(between)
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(certificate)}))
	}
	return []byte(text.String())
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, bundle("", "one"), 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(tls rest.TLSClientConfig) string {
		t.Helper()
		got, err := fingerprint(tls)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one := of(rest.TLSClientConfig{CAData: bundle("", "one")})
	if len(one) != 64 {
		t.Errorf("%q is no SHA-256", one)
	}
	if of(rest.TLSClientConfig{CAFile: file}) != one {
		t.Error("a file has another fingerprint than its content")
	}
	if of(rest.TLSClientConfig{CAData: bundle("", "two")}) == one {
		t.Error("two CAs have one fingerprint")
	}
	if of(rest.TLSClientConfig{CAData: bundle("# a comment\n", "two", "one")}) != of(rest.TLSClientConfig{CAData: bundle("", "one", "two")}) {
		t.Error("the order or a comment matters")
	}
	if got := of(rest.TLSClientConfig{}); got != "" {
		t.Errorf("no CA: %q", got)
	}
	if _, err := fingerprint(rest.TLSClientConfig{CAFile: file + ".absent"}); err == nil {
		t.Error("a CA that cannot be read is taken for none")
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid-1"}}
	trusted := &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: bundle("", "one")}}
	ca, err := fingerprint(trusted.TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := identify(t.Context(), trusted, fake.NewClientset(system), true); err != nil || got != (Identity{UID: "uid-1", CA: ca}) {
		t.Errorf("a shared cluster: %v, %v", got, err)
	}
	if got, err := identify(t.Context(), trusted, fake.NewClientset(), false); err != nil || got != (Identity{CA: ca}) {
		t.Errorf("a cluster of our own whose API does not answer: %v, %v", got, err)
	}
	if got, err := identify(t.Context(), trusted, fake.NewClientset(), true); err == nil || got.Known() {
		t.Errorf("a shared cluster that does not answer: %v, %v", got, err)
	}
	if got, err := identify(t.Context(), &rest.Config{}, fake.NewClientset(system), false); err != nil || got != (Identity{UID: "uid-1"}) {
		t.Errorf("without a CA: %v, %v", got, err)
	}
}
