//go:build linux

package embedded

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/pki"
)

// credentials makes the files by which the components of one cluster know each other.
type credentials struct {
	cluster   string
	authority *pki.Authority
}

func newCredentials(cluster string) (credentials, error) {
	authority, err := pki.NewAuthority("sparkchaos " + cluster)
	return credentials{cluster: cluster, authority: authority}, err
}

// inside is where components find the API server.
const inside = "https://" + controlAddress + ":6443"

// controlAddress is the control plane's in the cluster's own network.
const controlAddress = network.ControlIP

// admin is the one member of system:masters, for the user and the harness.
func (c credentials) admin(server string) ([]byte, error) {
	pair, err := c.authority.Client("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	return c.authority.Kubeconfig(c.cluster, server, "admin", pair)
}

// files collects the files of a machine and the first error on the way.
type files struct {
	content map[string]string
	err     error
}

func (f *files) add(name, content string) { f.content[kubernetesFile(name)] = content }

func (f *files) pair(name string, make func() (pki.KeyPair, error)) {
	pair, err := make()
	if err != nil && f.err == nil {
		f.err = err
	}
	f.add(name+".crt", string(pair.Cert))
	f.add(name+".key", string(pair.Key))
}

func (f *files) kubeconfig(c credentials, name, user string, groups ...string) {
	pair, err := c.authority.Client(user, groups...)
	var config []byte
	if err == nil {
		config, err = c.authority.Kubeconfig(c.cluster, inside, user, pair)
	}
	if err != nil && f.err == nil {
		f.err = err
	}
	f.add(name+".kubeconfig", string(config))
}

// controlPlane returns the credentials of the control plane's machine.
func (c credentials) controlPlane() (map[string]string, error) {
	frontProxy, err := pki.NewAuthority("sparkchaos front proxy " + c.cluster)
	if err != nil {
		return nil, err
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return nil, err
	}
	f := &files{content: map[string]string{}}
	f.add("ca.crt", string(c.authority.Cert))
	f.add("front-proxy-ca.crt", string(frontProxy.Cert))
	f.add("service-accounts.key", string(private))
	f.add("service-accounts.pub", string(public))
	f.pair("apiserver", func() (pki.KeyPair, error) {
		return c.authority.Server("kube-apiserver", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
			"localhost", "127.0.0.1", network.APIServerIP, network.ControlIP)
	})
	f.pair("apiserver-kubelet", func() (pki.KeyPair, error) { return c.authority.Client(kubeletClientUser) })
	f.pair("front-proxy", func() (pki.KeyPair, error) { return frontProxy.Client("front-proxy") })
	f.kubeconfig(c, "kube-controller-manager", "system:kube-controller-manager")
	f.kubeconfig(c, "kube-scheduler", "system:kube-scheduler")
	f.kubeconfig(c, "coredns", dnsUser)
	f.kubeconfig(c, "volume-provisioner", provisionerUser)
	return f.content, f.err
}

// node returns the credentials of a worker's machine.
func (c credentials) node(name, ip string) (map[string]string, error) {
	f := &files{content: map[string]string{}}
	f.add("ca.crt", string(c.authority.Cert))
	f.pair("kubelet-serving", func() (pki.KeyPair, error) { return c.authority.Server("system:node:"+name, name, ip) })
	f.kubeconfig(c, "kubelet", "system:node:"+name, "system:nodes")
	f.kubeconfig(c, "kube-proxy", "system:kube-proxy")
	if f.err != nil {
		return nil, fmt.Errorf("credentials of node %s: %w", name, f.err)
	}
	return f.content, nil
}
