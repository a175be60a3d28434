//go:build linux

package kind

import (
	"context"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// askTimeout is how long status waits for the API server.
const askTimeout = 5 * time.Second

// Status is all that `cluster status` shows.
type Status struct {
	Name       string         `json:"name"`
	Engine     Engine         `json:"engine"`
	Created    time.Time      `json:"created"`
	Server     string         `json:"server"`
	Kubeconfig string         `json:"kubeconfig"`
	Timing     cluster.Timing `json:"timing"`
	NodeImage  string         `json:"nodeImage"`
	Shared     string         `json:"shared"` // directory of this machine behind shared volumes
	Nodes      []NodeStatus   `json:"nodes"`
}

// NodeStatus is one container, the control plane's too.
type NodeStatus struct {
	cluster.Node
	Ready string `json:"ready"` // what Kubernetes thinks of the node; empty if it does not answer
	Disk  string `json:"disk"`  // directory of this machine that is the node's /var
}

// Status looks at the cluster from outside and asks its API server. It changes nothing.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	status := Status{
		Name: c.record.Name, Engine: c.record.Engine, Created: c.record.Created, Kubeconfig: c.directory.kubeconfig(), Timing: c.record.Timing,
		NodeImage: c.record.NodeImage, Shared: c.directory.shared(),
	}
	if config, err := c.RESTConfig(); err == nil {
		status.Server = config.Host
	}
	nodes, err := c.provider.Engine.nodes(ctx, c.record.Name)
	if err != nil {
		return Status{}, err
	}
	thought := c.readiness(ctx)
	for _, node := range nodes {
		disk, _ := node.disk() // shown as unknown
		status.Nodes = append(status.Nodes, NodeStatus{Node: c.look(node), Ready: thought[node.name()], Disk: disk})
	}
	return status, nil
}

// readiness is what Kubernetes thinks of the nodes; nothing if it does not answer.
func (c *Cluster) readiness(ctx context.Context) map[string]string {
	client, err := c.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return cluster.Readiness(ctx, client)
}
