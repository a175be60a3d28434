package pki

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func verify(t *testing.T, a *Authority, pair KeyPair, usage x509.ExtKeyUsage, name string) (*x509.Certificate, error) {
	t.Helper()
	loaded, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Cert)
	_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}})
	return loaded.Leaf, err
}

func TestClientCarriesUserAndGroups(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pair, err := a.Client("system:node:worker-1", "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := verify(t, a, pair, x509.ExtKeyUsageClientAuth, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"system:nodes"}, leaf.Subject.Organization); diff != "" || leaf.Subject.CommonName != "system:node:worker-1" {
		t.Errorf("subject %v: %s", leaf.Subject, diff)
	}
	if _, err := verify(t, a, pair, x509.ExtKeyUsageServerAuth, ""); err == nil {
		t.Error("a client's certificate can pass for a server's")
	}
}

func TestServerIsValidForItsNamesOnly(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pair, err := a.Server("kube-apiserver", "kubernetes", "10.96.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, valid := range map[string]bool{"kubernetes": true, "10.96.0.1": true, "other": false, "10.96.0.2": false} {
		if _, err := verify(t, a, pair, x509.ExtKeyUsageServerAuth, name); (err == nil) != valid {
			t.Errorf("valid for %s: %v, want %v", name, err, valid)
		}
	}
}

func TestAuthoritySurvivesStorageAndRefusesStrangers(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	stored, err := ParseAuthority(a.KeyPair)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := stored.Client("u")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, a, pair, x509.ExtKeyUsageClientAuth, ""); err != nil {
		t.Errorf("signed by the stored authority: %v", err)
	}
	if _, err := verify(t, newAuthority(t), pair, x509.ExtKeyUsageClientAuth, ""); err == nil {
		t.Error("another cluster's authority accepts the certificate")
	}
	if _, err := ParseAuthority(KeyPair{Cert: []byte("x"), Key: []byte("y")}); err == nil {
		t.Error("rubbish was taken for an authority")
	}
}

func TestKubeconfigLoads(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pair, err := a.Client("admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := a.Kubeconfig("lab", "https://127.0.0.1:6443", "admin", pair)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:6443" || len(config.CAData) == 0 {
		t.Errorf("loaded %+v", config)
	}
}
