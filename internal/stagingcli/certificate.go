package stagingcli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// certificateAge is how old the knowledge of the certificate's files may be.
const certificateAge = time.Second

// certificates serves a certificate from files, and reloads them when they change: no restart is needed to rotate it.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger

	mu        sync.Mutex
	read      time.Time
	cert, key []byte // as they were parsed, or could not be
	current   *tls.Certificate
}

// newCertificates reads the files, which must hold a certificate and its key.
func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.refresh(); err != nil {
		return nil, err
	}
	return c, nil
}

// get has the signature of tls.Config.GetCertificate. When the files cannot be used, the certificate that was read last is
// served on: a rotation may be half done.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) >= certificateAge {
		if err := c.refresh(); err != nil {
			c.log.Error("the certificate could not be renewed; the one that was read last is served", "error", err)
		}
	}
	return c.current, nil
}

// refresh reads the files, and parses them if they changed.
func (c *certificates) refresh() error {
	c.read = time.Now()
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-key: %w", err)
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	if c.current != nil {
		c.log.Info("the certificate was renewed", "validUntil", pair.Leaf.NotAfter)
	}
	c.cert, c.key, c.current = cert, key, &pair
	return nil
}

// trusting makes a client trust only the authorities in a PEM file; "" changes nothing.
func trusting(client *http.Client, caFile string) (*http.Client, error) {
	if caFile == "" {
		return client, nil
	}
	data, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("--ca-file %s holds no certificate in PEM form", caFile)
	}
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return client, nil
}
