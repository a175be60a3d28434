package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Identity distinguishes one cluster from another. Names do not: tools give the contexts of many clusters the same one, and a
// cluster can be recreated under an old name. The zero Identity is unknown.
type Identity struct {
	// UID is that of the namespace kube-system. Clusters whose store comes from one template or backup share it.
	UID string `json:"uid,omitempty"`
	// CA is the SHA-256, in hex, of the certificates by which the API server is trusted; empty where the system's are used.
	CA string `json:"ca,omitempty"`
}

// Known reports whether anything is known about the cluster.
func (i Identity) Known() bool { return i != Identity{} }

// String returns the identity in words.
func (i Identity) String() string {
	if !i.Known() {
		return "a cluster of unknown identity"
	}
	var words []string
	if i.UID != "" {
		words = append(words, "kube-system has UID "+i.UID)
	}
	if i.CA != "" {
		words = append(words, "the CA has SHA-256 "+i.CA)
	}
	return "the cluster whose " + strings.Join(words, " and whose ")
}

// Likeness is the result of comparing two identities.
type Likeness int

// The results. Uncertain means that one of the two lacks what the other has.
const (
	Uncertain Likeness = iota
	Same
	Different
)

// Compare compares two identities. One field that differs suffices for Different; Same needs everything to be equal.
func (i Identity) Compare(other Identity) Likeness {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	switch {
	case differ(i.UID, other.UID) || differ(i.CA, other.CA):
		return Different
	case i.Known() && i == other:
		return Same
	default:
		return Uncertain
	}
}

// kubeSystem exists in every cluster and lives as long as it.
const kubeSystem = metav1.NamespaceSystem

// Identify finds out which cluster c is. A shared one is asked for the UID of its namespace kube-system. Any other was made
// with a CA of its own, which identifies it while its API server does not answer, too.
func Identify(ctx context.Context, c Cluster) (Identity, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return Identity{}, fmt.Errorf("identify cluster %s: %w", c.Name(), err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Identity{}, fmt.Errorf("identify cluster %s: %w", c.Name(), err)
	}
	_, shared := c.(Shared)
	identity, err := identify(ctx, config, client, shared)
	if err != nil {
		return Identity{}, fmt.Errorf("identify cluster %s: %w", c.Name(), err)
	}
	return identity, nil
}

func identify(ctx context.Context, config *rest.Config, client kubernetes.Interface, shared bool) (Identity, error) {
	var identity Identity
	var err error
	if identity.CA, err = fingerprint(config.TLSClientConfig); err != nil {
		return Identity{}, err
	}
	if !shared && identity.CA != "" {
		return identity, nil
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, kubeSystem, metav1.GetOptions{})
	if err != nil {
		return Identity{}, fmt.Errorf("read the UID of namespace %s: %w", kubeSystem, err)
	}
	if namespace.UID == "" {
		return Identity{}, fmt.Errorf("namespace %s has no UID", kubeSystem)
	}
	identity.UID = string(namespace.UID)
	return identity, nil
}

// fingerprint hashes the trusted certificates whatever their order and whatever stands between them: kubeconfigs of one
// cluster that several tools wrote have the same.
func fingerprint(tls rest.TLSClientConfig) (string, error) {
	trusted := tls.CAData
	if len(trusted) == 0 && tls.CAFile != "" {
		var err error
		if trusted, err = os.ReadFile(tls.CAFile); err != nil {
			return "", fmt.Errorf("read the CA of the API server: %w", err)
		}
	}
	if tls.Insecure || len(trusted) == 0 {
		return "", nil
	}
	var certificates []string
	for block, rest := pem.Decode(trusted); block != nil; block, rest = pem.Decode(rest) {
		certificates = append(certificates, string(block.Bytes))
	}
	slices.Sort(certificates)
	hash := sha256.New()
	for _, certificate := range slices.Compact(certificates) {
		digest := sha256.Sum256([]byte(certificate))
		hash.Write(digest[:])
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
