//go:build linux

package kind

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// diskRoot is the part of a node that outlives its processes, and all that can be seen of its disk.
const diskRoot = "/var"

// Nodes returns the workers, sorted by name.
func (c *Cluster) Nodes(ctx context.Context) ([]cluster.Node, error) {
	workers, err := c.workers(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []cluster.Node
	for _, worker := range workers {
		nodes = append(nodes, c.look(worker))
	}
	return nodes, nil
}

// look sees what can be seen of a node from outside.
func (c *Cluster) look(node container) cluster.Node {
	seen := cluster.Node{Name: node.name(), Power: cluster.Off, Address: node.address()}
	if !node.State.Running {
		return seen
	}
	processes := descendants(node.State.Pid)
	seen.Power, seen.Frozen, seen.Processes = cluster.On, node.State.Paused, len(processes)
	seen.Kubelet = slices.ContainsFunc(processes, func(p process) bool { return p.name == kubeletName })
	// All nodes have the boot ID of this machine's kernel; what distinguishes two lives of a node is when each began.
	seen.BootID = node.State.StartedAt
	up, err := linkUp(node.State.Pid)
	seen.Isolated = err != nil || !up || !node.connected()
	return seen
}

// load imports an archive into the containerd of a node.
func (c *Cluster) load(ctx context.Context, node, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("image archive: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	command := exec.CommandContext(ctx, string(c.provider.Engine), "exec", "--interactive", node,
		"ctr", "--namespace=k8s.io", "images", "import", "--digests", "-")
	command.Stdin = file
	var said bytes.Buffer
	command.Stderr = &said
	command.Stdout = io.Discard
	if err := command.Run(); err != nil {
		return fmt.Errorf("bring the image archive %s to node %s: %w: %s", archive, node, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// loadMissing gives a node that was off the images that the others got meanwhile.
func (c *Cluster) loadMissing(ctx context.Context, node string) error {
	known, err := c.directory.loadNodes()
	if err != nil {
		return err
	}
	all := slices.Sorted(maps.Keys(archivesOf(known)))
	for _, archive := range slices.DeleteFunc(all, func(a string) bool { return slices.Contains(known.Images[node], a) }) {
		if err := c.load(ctx, node, archive); err != nil {
			return err
		}
		if err := c.directory.changeNodes(func(s nodeState) { s.Images[node] = append(s.Images[node], archive) }); err != nil {
			return err
		}
	}
	return nil
}

// archivesOf are all archives that any node has.
func archivesOf(known nodeState) map[string]bool {
	all := map[string]bool{}
	for _, loaded := range known.Images {
		for _, archive := range loaded {
			all[archive] = true
		}
	}
	return all
}

// awaitReady waits until every node is Ready.
func (c *Cluster) awaitReady(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	c.provider.Progress("waiting until the nodes are Ready")
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("the nodes are not Ready within %v", readyTimeout))
	defer cancel()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		var not []string
		for _, node := range nodes.Items {
			if !cluster.NodeReady(node) {
				not = append(not, node.Name)
			}
		}
		return len(nodes.Items) == c.record.Workers+1 && len(not) == 0, fmt.Sprintf("%d nodes, not Ready: %v", len(nodes.Items), not)
	})
}

// Listen opens a TCP socket at this machine's address in kind's network, which pods on all nodes reach.
func (c *Cluster) Listen(ctx context.Context) (net.Listener, error) {
	gateway, err := c.provider.Engine.gateway(ctx)
	if err != nil {
		return nil, fmt.Errorf("listen for pods of the kind cluster %s: %w", c.record.Name, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for pods of the kind cluster %s: the container engine must run on this machine: %w", c.record.Name, err)
	}
	return listener, nil
}

// MakeDirectory makes a directory below /var of every node that pods of any user can write to.
func (c *Cluster) MakeDirectory(ctx context.Context, path string) error {
	return c.onDisks(ctx, cluster.MakingDirectory(), path)
}

// RemoveDirectory removes a directory with all that is in it from every node's disk.
func (c *Cluster) RemoveDirectory(ctx context.Context, path string) error {
	return c.onDisks(ctx, cluster.RemovingDirectory(), path)
}

func (c *Cluster) onDisks(ctx context.Context, change cluster.DiskChange, path string) error {
	relative, below := strings.CutPrefix(filepath.Clean(path), diskRoot+"/")
	if !below {
		return change.Refused(path, "one below "+diskRoot)
	}
	nodes, err := c.containers(ctx)
	if err != nil {
		return err
	}
	var disks []func() (*os.Root, error)
	for _, node := range nodes {
		disks = append(disks, func() (*os.Root, error) { return openDisk(node) })
	}
	return change.On(path, relative, disks)
}

func openDisk(node container) (*os.Root, error) {
	source, err := node.disk()
	if err != nil {
		return nil, err
	}
	disk, err := os.OpenRoot(source)
	if err != nil {
		return nil, fmt.Errorf("open the disk of node %s, which needs root and a container engine on this machine: %w", node.name(), err)
	}
	return disk, nil
}

// Disk gives what a node keeps below /var for reading, whatever state the node is in.
func (c *Cluster) Disk(ctx context.Context, node string) (fs.FS, error) {
	if err := cluster.CheckNode(node); err != nil {
		return nil, err
	}
	found, err := c.provider.Engine.inspect(ctx, node)
	if err != nil {
		return nil, err
	}
	if found.Config.Labels[clusterLabel] != c.record.Name {
		return nil, fmt.Errorf("the kind cluster %s has no node %q", c.record.Name, node)
	}
	root, err := openDisk(found)
	if err != nil {
		return nil, err
	}
	return diskFS{regular.FS(root)}, nil
}

// diskFS shows a volume at /var of an otherwise empty disk.
type diskFS struct{ volume fs.FS }

// Open implements fs.FS.
func (d diskFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	const root = "var"
	if name == root {
		return d.volume.Open(".")
	}
	below, ok := strings.CutPrefix(name, root+"/")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return d.volume.Open(below)
}

// StorageClasses names the cluster's storage classes.
func (*Cluster) StorageClasses() cluster.StorageClasses { return classes() }
