//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

// Nodes returns the workers as the machines that they are, sorted by number.
func (c *Cluster) Nodes(context.Context) ([]cluster.Node, error) {
	control, _ := c.controlPID() // gone: every node is seen as cut off
	var nodes []cluster.Node
	for _, name := range c.directory.machineNames() {
		m, err := c.directory.loadMachine(name)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, c.look(m, control))
	}
	return nodes, nil
}

// look sees what can be seen of a node from outside.
func (c *Cluster) look(m machineRecord, control int) cluster.Node {
	node := cluster.Node{Name: m.Spec.Name, Power: cluster.Off, Address: network.NodeIP(m.Number)}
	if m.Process.Alive() {
		node.Power = cluster.On
		node.Processes = len(c.cgroups.Processes(m.Spec.Cgroup))
		node.Frozen, _ = c.cgroups.Frozen(m.Spec.Cgroup) // a group that is gone has nothing frozen
		node.Kubelet = c.runs(m, kubeletService)
		node.BootID = bootID(m.Process.PID)
		link, err := network.Link(control, m.Number)
		node.Isolated = err != nil || link != network.Connected
	}
	return node
}

// bootID reads a machine's boot ID through the root of its init; it needs no answer of a process that may be frozen.
func bootID(pid int) string {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		return ""
	}
	defer func() { _ = root.Close() }()
	file, err := cluster.OpenRegular(root, "run/sparkchaos/kernel/kernel.random.boot_id")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // opened for reading only
	id, err := io.ReadAll(io.LimitReader(file, 64))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Load brings an image archive to all nodes. Nodes that are off get it when they boot.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	archive, err := filepath.Abs(archive)
	if err == nil {
		_, err = os.Stat(archive)
	}
	if err != nil {
		return fmt.Errorf("image archive: %w", err)
	}
	unlock, err := c.provider.change(ctx, c.record.Name)
	if err != nil {
		return err
	}
	defer unlock()
	if c.record, err = c.directory.load(); err != nil { // another process may have loaded one meanwhile
		return err
	}
	kept, err := c.keep(archive)
	if err != nil {
		return err
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if node.Frozen {
			return fmt.Errorf("node %s is frozen and can take no image: thaw it first", node.Name)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range nodes {
		if node.Power == cluster.Off {
			continue
		}
		group.Go(func() error {
			m, err := c.directory.loadMachine(node.Name)
			if err != nil {
				return err
			}
			return c.load(ctx, m, kept)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if !slices.Contains(c.record.Images, archive) {
		c.record.Images = append(c.record.Images, archive)
	}
	return c.directory.save(c.record)
}

// keep links or copies an archive into the cluster's own directory, under the digest of its content: a node that is off
// now needs it when it boots, whatever has become of the file until then.
func (c *Cluster) keep(archive string) (string, error) {
	file, err := os.Open(archive)
	if err != nil {
		return "", fmt.Errorf("image archive: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", fmt.Errorf("read the image archive %s: %w", archive, err)
	}
	kept := filepath.Join(c.directory.images(), hex.EncodeToString(digest.Sum(nil))+".tar")
	if _, err := os.Stat(kept); err == nil {
		return kept, nil
	}
	if err := os.MkdirAll(c.directory.images(), 0o755); err != nil {
		return "", fmt.Errorf("keep the image archive %s: %w", archive, err)
	}
	if os.Link(archive, kept) == nil {
		return kept, nil
	}
	if err := copyFile(archive, kept); err != nil {
		return "", fmt.Errorf("keep the image archive %s: %w", archive, errors.Join(err, os.Remove(kept)))
	}
	return kept, nil
}

func (c *Cluster) load(ctx context.Context, m machineRecord, archive string) error {
	set, err := c.provider.components()
	if err != nil {
		return err
	}
	i := importer{ctr: set.Path(components.CTR), pid: m.Process.PID}
	if err := errors.Join(i.awaitRuntime(ctx), i.load(ctx, archive)); err != nil {
		return fmt.Errorf("node %s: %w", m.Spec.Name, err)
	}
	return c.markLoaded(m.Spec.Name, archive)
}

// loadedFile lists the archives that were brought to a node after its first boot.
func (c *Cluster) loadedFile(name string) string {
	return filepath.Join(c.directory.machines(), name+".images")
}

func (c *Cluster) markLoaded(name, archive string) error {
	var loaded []string
	if err := statefile.Read(c.loadedFile(name), &loaded); err != nil && !absent(err) {
		return err
	}
	if slices.Contains(loaded, archive) {
		return nil
	}
	return statefile.Write(c.loadedFile(name), append(loaded, archive))
}

// loadMissing gives a node that was off the images that the others got meanwhile.
func (c *Cluster) loadMissing(ctx context.Context, m machineRecord) error {
	var others, own []string
	for _, name := range c.directory.machineNames() {
		var loaded []string
		if err := statefile.Read(c.loadedFile(name), &loaded); err != nil && !absent(err) {
			return err
		}
		others = append(others, loaded...)
		if name == m.Spec.Name {
			own = loaded
		}
	}
	slices.Sort(others)
	for _, archive := range slices.Compact(others) {
		if slices.Contains(own, archive) {
			continue
		}
		if err := c.load(ctx, m, archive); err != nil {
			return err
		}
	}
	return nil
}

// Listen opens a TCP socket of this process at the control plane's address, which every pod reaches and no lost worker takes away.
func (c *Cluster) Listen(context.Context) (net.Listener, error) {
	control, err := c.controlPID()
	if err != nil {
		return nil, err
	}
	return network.Listen(control, net.JoinHostPort(network.ControlIP, "0"))
}

// MakeDirectory makes a directory on the own disk of every node that pods of any user can write to.
func (c *Cluster) MakeDirectory(_ context.Context, path string) error {
	return c.onDisks(cluster.MakingDirectory(), path)
}

// RemoveDirectory removes a directory with all that is in it from every node's disk.
func (c *Cluster) RemoveDirectory(_ context.Context, path string) error {
	return c.onDisks(cluster.RemovingDirectory(), path)
}

func (c *Cluster) onDisks(change cluster.DiskChange, path string) error {
	relative := strings.TrimPrefix(filepath.Clean(path), "/")
	if !filepath.IsAbs(path) || relative == "" {
		return change.Refused(path, "an absolute path other than /")
	}
	var disks []func() (*os.Root, error)
	for _, name := range c.directory.machineNames() {
		disks = append(disks, func() (*os.Root, error) { return os.OpenRoot(c.directory.disk(name)) })
	}
	return change.On(path, relative, disks)
}

// Disk gives a node's own disk for reading, whatever state the node is in. Links do not lead out of it.
func (c *Cluster) Disk(_ context.Context, node string) (fs.FS, error) {
	if err := cluster.CheckNode(node); err != nil {
		return nil, err
	}
	if !slices.Contains(c.directory.machineNames(), node) {
		return nil, fmt.Errorf("cluster %s has no node %q", c.record.Name, node)
	}
	root, err := os.OpenRoot(c.directory.disk(node))
	if err != nil {
		return nil, fmt.Errorf("open the disk of node %s: %w", node, err)
	}
	return regular.FS(root), nil
}

// Log is a log file of a machine.
type Log struct {
	Machine string
	Service string // empty: of the machine's init
	Path    string // on the host, to be shown; Open opens it

	root, relative string // the directory that the log may not lead out of, and where it is below
}

// Name is how a user names the log: SERVICE of the control plane, NODE/SERVICE, or the machine's name and /init.
func (l Log) Name() string {
	service := l.Service
	if service == "" {
		service = "init"
	}
	if l.Machine == controlPlane && l.Service != "" {
		return service
	}
	return l.Machine + "/" + service
}

// Logs lists the logs of all machines, of those that are off too. An error comes with the logs that could be listed.
func (c *Cluster) Logs() ([]Log, error) {
	var logs []Log
	var errs []error
	for _, name := range append([]string{controlPlane}, c.directory.machineNames()...) {
		of, err := c.serviceLogs(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("list the logs of %s: %w", name, err))
		}
		init := c.directory.machineLog(name)
		logs = append(append(logs, of...), Log{Machine: name, Path: init, root: filepath.Dir(init), relative: filepath.Base(init)})
	}
	return logs, errors.Join(errs...)
}

// maxLogs is how many logs of one machine are listed: it has a dozen of services, and its pods may add to their directory.
const maxLogs = 100

// serviceLogs lists the logs of a machine's services, which are on its disk.
func (c *Cluster) serviceLogs(machineName string) ([]Log, error) {
	root := c.directory.disk(machineName)
	disk, err := os.OpenRoot(root)
	if absent(err) {
		return nil, nil // not booted yet
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = disk.Close() }()
	relative := strings.TrimPrefix(machine.LogDirectory, "/")
	entries, err := fs.ReadDir(disk.FS(), relative)
	if err != nil && !absent(err) {
		return nil, err
	}
	var logs []Log
	for _, entry := range entries {
		service, isLog := strings.CutSuffix(entry.Name(), ".log")
		if isLog && entry.Type().IsRegular() && len(logs) < maxLogs {
			file := filepath.Join(relative, entry.Name())
			logs = append(logs, Log{Machine: machineName, Service: service, Path: filepath.Join(root, file), root: root, relative: file})
		}
	}
	return logs, nil
}
