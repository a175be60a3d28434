// Package staging holds what both sides of the resource staging server share: who owns a bundle, the ticket by which it
// is fetched, bundles themselves, and the client. A bundle is a flat tar.gz of the jars and files that an application
// needs and that lie on the machine of who submits it; each driver and each executor fetches it before it starts.
//
// The server is in the package server below this one, its storage in store, and what Kubernetes says about owners in owners.
package staging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
)

// The HTTP interface, version 0: that of the staging server of Spark on Kubernetes 2.2.
const (
	// DefaultPort is where a server listens.
	DefaultPort = 10000
	// ResourcesPath receives bundles by POST; with an id behind it, it gives them by GET and removes them by DELETE.
	ResourcesPath = "/api/v0/resources"
	// PingPath answers "pong".
	PingPath = "/api/v0/ping"
	// ResourcesPart is the part of an upload that holds the bundle.
	ResourcesPart = "resources"
	// OwnerPart is the part of an upload that holds an Owner as JSON.
	OwnerPart = "resourcesOwner"
	// SecretHeader carries the secret of a ticket as it is, without a scheme.
	SecretHeader = "Authorization"
	// TokenScheme stands before the token of an upload in the same header, where a server wants one.
	TokenScheme = "Bearer"
	// DigestHeader of a download names the SHA-256 of the bundle, as RFC 9530 has it.
	DigestHeader = "Repr-Digest"
)

// OwnerTypePod is the only type of owner that there is.
const OwnerTypePod = "Pod"

// MaxOwnerBytes bounds the JSON of an Owner.
const MaxOwnerBytes = 64 << 10

// Owner defines which pods a bundle is for: it is kept as long as one of them exists, or a Job that will create one.
type Owner struct {
	Namespace string            `json:"ownerNamespace"`
	Labels    map[string]string `json:"ownerLabels"`
	Type      string            `json:"ownerType"` // OwnerTypePod
}

// Ticket is what a client needs to fetch a bundle.
type Ticket struct {
	ID     string `json:"resourceId"`
	Secret string `json:"resourceSecret"`
	// SHA256 of the whole bundle in hexadecimal; with it, a client trusts no server and no network. Servers do not
	// give it: who uploads computes it. Empty means unknown.
	SHA256 string `json:"sha256,omitempty"`
	// Size of the bundle in bytes; 0 means unknown.
	Size int64 `json:"size,omitempty"`
}

// String returns the ticket without its secret.
func (t Ticket) String() string { return "bundle " + t.ID }

// ParseOwner parses the JSON of an owner. The error lists everything that is wrong with it.
func ParseOwner(data []byte) (Owner, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var owner Owner
	if err := decoder.Decode(&owner); err != nil {
		return Owner{}, fmt.Errorf("not the JSON of an owner (ownerNamespace, ownerLabels, ownerType): %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Owner{}, errors.New("more follows the JSON of the owner")
	}
	return owner, owner.Validate()
}

// Validate returns everything that is wrong with an owner. Owners without labels are refused, because every pod would
// match them.
func (o Owner) Validate() error {
	var problems []error
	problem := func(what, value string, reasons []string) {
		for _, reason := range reasons {
			problems = append(problems, fmt.Errorf("%s %q: %s", what, value, reason))
		}
	}
	if o.Type != OwnerTypePod {
		problems = append(problems, fmt.Errorf("ownerType is %q, want %q", o.Type, OwnerTypePod))
	}
	problem("ownerNamespace", o.Namespace, validation.IsDNS1123Label(o.Namespace))
	if len(o.Labels) == 0 {
		problems = append(problems, errors.New("ownerLabels are missing: name at least one label of the pods that the bundle is for"))
	}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		problem("label", key, validation.IsQualifiedName(key))
		problem("value of label "+key, o.Labels[key], validation.IsValidLabelValue(o.Labels[key]))
	}
	return errors.Join(problems...)
}
