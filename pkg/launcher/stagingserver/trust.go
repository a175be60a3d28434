package stagingserver

import (
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/pki"
)

// trust is how harness and pods know the staging server of a session, and it knows the harness. It is recreated for each
// session, lives in memory and in Secrets of the session's namespace, and is written nowhere else.
type trust struct {
	host        string // the name that the certificate has
	ca          []byte // PEM
	cert, key   []byte // PEM
	uploadToken string
}

// newTrust makes an authority, a certificate by it for a host, and an upload token. The authority's key is dropped: it
// signs nothing more.
func newTrust(host string) (*trust, error) {
	authority, err := pki.NewAuthority("staging server of a sparkchaos run")
	if err != nil {
		return nil, err
	}
	pair, err := authority.Server(host, host)
	if err != nil {
		return nil, err
	}
	return &trust{
		host: host, ca: authority.Cert,
		cert: pair.Cert, key: pair.Key, uploadToken: cryptorand.Text(),
	}, nil
}

// transport returns what reaches a server by whatever address, and trusts it alone.
func (t *trust) transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(t.ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: t.host, MinVersion: tls.VersionTLS12}}
}
