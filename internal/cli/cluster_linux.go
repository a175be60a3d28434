package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// newProvider returns the provider of embedded clusters; progress goes to the given stream.
func newProvider(getenv func(string) string, progress io.Writer) (embedded.Provider, error) {
	state, err := paths.State(getenv)
	if err != nil {
		return embedded.Provider{}, err
	}
	cache, err := paths.Cache(getenv)
	if err != nil {
		return embedded.Provider{}, err
	}
	return embedded.NewProvider(state, cache, func(line string) { fmt.Fprintln(progress, line) })
}

// openedCluster is a cluster that commands look at and act on.
type openedCluster interface {
	cluster.Cluster
	Kubeconfig() ([]byte, error)
}

type openCluster func(*cobra.Command) (openedCluster, error)

// newClusterCommand returns `sparkchaos cluster`.
func newClusterCommand(getenv func(string) string) *cobra.Command {
	var chosen clusterChoice
	// done lets runs begin again on a cluster that something was to be done to.
	openAny := func(command *cobra.Command, actOn string) (c cluster.Cluster, done func(), err error) {
		found, err := clustersAt(command, getenv, &chosen)
		if err != nil {
			return nil, nil, err
		}
		done = func() {}
		if actOn != "" {
			if done, err = mayActOn(command.Context(), found, chosen.clusterName(), actOn); err != nil {
				return nil, nil, err
			}
		}
		if c, err = found.Open(chosen.clusterName()); err != nil {
			done()
			return nil, nil, err
		}
		return c, done, nil
	}
	open := func(command *cobra.Command) (openedCluster, error) {
		if chosen.kind == existingKind {
			return nil, usagef("%s is for clusters that were made on this machine; kubectl does it for an existing one", command.CommandPath())
		}
		c, _, err := openAny(command, "")
		if err != nil {
			return nil, err
		}
		return c.(openedCluster), nil // each kind that is made here has both
	}
	group := newGroup("cluster", "Real multi-node Kubernetes clusters on this machine, whose nodes can be disturbed",
		newClusterUpCommand(getenv, &chosen),
		newClusterDownCommand(getenv, &chosen),
		newClusterListCommand(getenv),
		newClusterStatusCommand(open),
		newClusterKubeconfigCommand(open),
		newClusterNodeCommand(openAny),
		newClusterLoadCommand(open),
		newClusterLogsCommand(open),
	)
	flags := group.PersistentFlags()
	flags.StringVar(&chosen.kind, "cluster", embeddedKind, "kind of cluster: embedded, without Docker, kind, whose nodes are containers, or existing, of which only nodes can be acted on")
	flags.StringVar(&chosen.name, "name", defaultCluster, "name of the cluster; several live side by side")
	chosen.existing.reach(flags)
	return group
}

// mayActOn refuses to do something to a node that may not be disturbed now; done ends the hold that keeps runs away meanwhile.
func mayActOn(ctx context.Context, clusters runner.Clusters, name, node string) (done func(), err error) {
	switch clusters := clusters.(type) {
	case existingClusters:
		return func() {}, clusters.mayActOn(ctx, node)
	case interface {
		Act(ctx context.Context, name string) (func(), error)
	}:
		return clusters.Act(ctx, name)
	default:
		return func() {}, nil
	}
}

// clustersAt returns the clusters of a kind for a command, to whose error stream progress goes.
func clustersAt(command *cobra.Command, getenv func(string) string, chosen *clusterChoice) (runner.Clusters, error) {
	if err := chosen.checkName(); err != nil {
		return nil, err
	}
	return clustersOf(*chosen, getenv, func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) })
}

func newClusterUpCommand(getenv func(string) string, chosen *clusterChoice) *cobra.Command {
	spec := runner.ClusterSpec{}
	timing, settings := cluster.Fast().Name, clusterSettings{capacity: embedded.DefaultCapacity()}
	command := &cobra.Command{
		Use: "up", Short: "Make a cluster and wait until its nodes are Ready", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var err error
			if spec.Timing, err = cluster.NamedTiming(timing); err != nil {
				return withCode(ExitUsage, err)
			}
			spec.Name = chosen.name
			began := time.Now()
			already, err := bringUp(command, getenv, chosen, spec, settings)
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			if already {
				fmt.Fprintf(out, "cluster %s runs already; nothing was changed\n", spec.Name)
				return nil
			}
			fmt.Fprintf(out, "cluster %s is up after %.1fs: %d workers, timing %s\n", spec.Name, time.Since(began).Seconds(), spec.Workers, spec.Timing.Name)
			fmt.Fprintf(out, "kubectl: sparkchaos cluster kubeconfig --cluster %s --name %s > kubeconfig; kubectl --kubeconfig kubeconfig get nodes\n", chosen.kind, spec.Name)
			return nil
		},
	}
	flags := command.Flags()
	flags.IntVar(&spec.Workers, "workers", 3, "number of worker nodes")
	flags.StringVar(&timing, "timing", timing, "how soon a dead node is noticed: fast (about 4s) or production (Kubernetes' defaults)")
	flags.IntVar(&settings.capacity.CPUs, "node-cpus", settings.capacity.CPUs, "embedded: CPUs that each node offers to pods")
	flags.IntVar(&settings.capacity.Memory, "node-memory", settings.capacity.Memory, "embedded: memory in MiB that each node offers to pods")
	flags.IntVar(&settings.port, "port", 0, "embedded: port of the API server on 127.0.0.1; 0 chooses a free one")
	flags.StringVar(&settings.nodeImage, "node-image", "", "kind: image of the nodes; without it kind's own, or the one that 'sparkchaos kind build-node-image' made")
	flags.StringArrayVar(&spec.Images, "image", nil, "image archive that all nodes have from the start; may be repeated")
	return command
}

// clusterSettings are what only one kind of cluster knows.
type clusterSettings struct {
	capacity  embedded.Capacity
	port      int
	nodeImage string
}

// bringUp makes a cluster, or says that it runs already.
func bringUp(command *cobra.Command, getenv func(string) string, chosen *clusterChoice, spec runner.ClusterSpec, settings clusterSettings) (already bool, err error) {
	if chosen.kind == existingKind {
		return false, usagef("an existing cluster is there already: a run uses it with `sparkchaos run --cluster existing --context NAME --allow-context NAME`")
	}
	clusters, err := clustersAt(command, getenv, chosen) // refuses kinds that are not known
	if err != nil {
		return false, err
	}
	if containers, ok := clusters.(kindClusters); ok {
		_, made, err := containers.up(command.Context(), kind.Options{
			Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Images: spec.Images, NodeImage: settings.nodeImage,
		})
		return !made, err
	}
	provider, err := newProvider(getenv, command.ErrOrStderr())
	if err != nil {
		return false, err
	}
	started, err := provider.Up(command.Context(), embedded.Options{
		Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Images: spec.Images, Capacity: settings.capacity, Port: settings.port,
	})
	return started.Already, err
}

func newClusterDownCommand(getenv func(string) string, chosen *clusterChoice) *cobra.Command {
	var all, force bool
	command := &cobra.Command{
		Use: "down", Short: "Remove a cluster with everything that belongs to it", Args: cobra.NoArgs,
		Long: `Remove a cluster with everything that belongs to it. One that a run holds is not removed, unless by --force: then the
run ends with an error.`,
		RunE: func(command *cobra.Command, _ []string) error {
			clusters, err := clustersAt(command, getenv, chosen)
			if err != nil {
				return err
			}
			names := []string{chosen.name}
			if all {
				if names, err = clusters.Names(); err != nil {
					return err
				}
				if len(names) == 0 {
					fmt.Fprintf(command.OutOrStdout(), "there is no %s cluster; nothing was done\n", chosen.kind)
				}
			}
			var errs []error
			code := ExitError
			for _, name := range names {
				existed, err := takeDown(command.Context(), clusters, name, force)
				switch {
				case isHeld(err):
					errs = append(errs, fmt.Errorf("%w; nothing was done: wait for its end, or remove the cluster under it with --force", err))
				case err != nil:
					errs = append(errs, err)
					code = ExitCleanUpLeftovers
				case existed:
					fmt.Fprintf(command.OutOrStdout(), "cluster %s is gone\n", name)
				default:
					fmt.Fprintf(command.OutOrStdout(), "there is no cluster %s; nothing was done\n", name)
				}
			}
			return withCode(code, errors.Join(errs...))
		},
	}
	command.Flags().BoolVar(&all, "all", false, "all clusters of the kind that --cluster names which this user made on this machine")
	command.Flags().BoolVar(&force, "force", false, "even if a run holds the cluster")
	return command
}

// takeDown removes a cluster that no run holds, or one that is to be removed under its run.
func takeDown(ctx context.Context, clusters runner.Clusters, name string, force bool) (existed bool, err error) {
	if exclusive, ok := clusters.(cluster.Exclusive); ok && !force {
		release, err := exclusive.Hold(ctx, name, cluster.Holding("a command `cluster down`"), 0, func(cluster.Holder) {})
		if err != nil {
			return false, err
		}
		defer release()
	}
	return clusters.Remove(ctx, name)
}

func newClusterStatusCommand(open openCluster) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "status", Short: "Show nodes, power, memory, timing knobs and where the files are", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usagef("output %q: expected json, or none for a table", output)
			}
			c, err := open(command)
			if err != nil {
				return err
			}
			return showStatus(command, c, output == "json")
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "json for a machine to read")
	return command
}

func showStatus(command *cobra.Command, c openedCluster, asJSON bool) error {
	var status any
	var err error
	var table func(io.Writer) error
	switch c := c.(type) {
	case *embedded.Cluster:
		s, failed := c.Status(command.Context())
		status, err, table = s, failed, func(out io.Writer) error { return printStatus(out, s) }
	case *kind.Cluster:
		s, failed := c.Status(command.Context())
		status, err, table = s, failed, func(out io.Writer) error { return printKindStatus(out, s) }
	}
	if err != nil {
		return err
	}
	if !asJSON {
		return table(command.OutOrStdout())
	}
	encoder := json.NewEncoder(command.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(status)
}

func printKindStatus(out io.Writer, s kind.Status) error {
	fmt.Fprintf(out, "cluster     %s, made by kind with %s, since %s\n", s.Name, s.Engine, s.Created.Format(time.DateTime))
	fmt.Fprintf(out, "API server  %s, kubeconfig %s\n", s.Server, s.Kubeconfig)
	printTiming(out, s.Timing)
	fmt.Fprintf(out, "node image  %s\n", s.NodeImage)
	fmt.Fprintf(out, "volumes     shared ones in %s\n", s.Shared)
	table := tablewriter.NewTable(out)
	table.Header("node", "power", "link", "ready", "address", "processes", "disk")
	for _, n := range s.Nodes {
		if err := table.Append(n.Name, powerOf(n.Node, false, n.Ready), linkOf(n.Node), orDash(n.Ready), orDash(n.Address), fmt.Sprint(n.Processes), n.Disk); err != nil {
			return err
		}
	}
	return table.Render()
}

func printTiming(out io.Writer, t cluster.Timing) {
	fmt.Fprintf(out, "timing      %s: nodeStatusUpdateFrequency %v, nodeLeaseDuration %v, nodeMonitorPeriod %v, nodeMonitorGracePeriod %v\n",
		t.Name, t.NodeStatusUpdateFrequency, t.NodeLeaseDuration, t.NodeMonitorPeriod, t.NodeMonitorGracePeriod)
}

func linkOf(n cluster.Node) string {
	if n.Isolated {
		return "isolated"
	}
	return "connected"
}

func printStatus(out io.Writer, s embedded.Status) error {
	fmt.Fprintf(out, "cluster     %s: %s, since %s\n", s.Name, s.State, s.Created.Format(time.DateTime))
	fmt.Fprintf(out, "API server  %s, kubeconfig %s\n", s.Server, s.Kubeconfig)
	printTiming(out, s.Timing)
	fmt.Fprintf(out, "capacity    each node offers %d CPUs and %d MiB to pods\n", s.Capacity.CPUs, s.Capacity.Memory)
	fmt.Fprintf(out, "memory      %d MiB in all\n", s.Memory>>20)
	fmt.Fprintf(out, "volumes     shared ones in %s\n", s.Shared)
	table := tablewriter.NewTable(out)
	table.Header("machine", "power", "link", "ready", "address", "MiB", "processes", "restarts", "disk")
	for _, m := range s.Machines {
		err := table.Append(m.Name, powerOf(m.Node, m.ShutDown, m.Ready), linkOf(m.Node), orDash(m.Ready), m.Address,
			fmt.Sprint(m.Memory>>20), fmt.Sprint(m.Processes), restartsOf(m), m.Disk)
		if err != nil {
			return err
		}
	}
	return table.Render()
}

// powerOf says in words how a node is; of one that is off, whether it was shut down in good order.
func powerOf(n cluster.Node, orderly bool, ready string) string {
	switch {
	case n.Frozen:
		return "on, frozen"
	case n.Power == cluster.Off && orderly:
		return "off, shut down"
	case n.Power == cluster.On && ready != "" && !n.Kubelet:
		return "on, no kubelet"
	default:
		return string(n.Power)
	}
}

// restartsOf names the services that init had to start again.
func restartsOf(m embedded.MachineStatus) string {
	var restarted []string
	for _, service := range m.Services {
		if service.Restarts > 0 {
			restarted = append(restarted, fmt.Sprintf("%s %d (%s)", service.Name, service.Restarts, service.LastExit))
		}
	}
	return orDash(strings.Join(restarted, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newClusterKubeconfigCommand(open openCluster) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the admin's kubeconfig", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := open(command)
			if err != nil {
				return err
			}
			kubeconfig, err := c.Kubeconfig()
			if err != nil {
				return err
			}
			_, err = command.OutOrStdout().Write(kubeconfig)
			return err
		},
	}
}

// newClusterNodeCommand returns `sparkchaos cluster node`. actOn is the node that something is to be done to; empty if the nodes are
// only looked at.
func newClusterNodeCommand(open func(command *cobra.Command, actOn string) (c cluster.Cluster, done func(), err error)) *cobra.Command {
	children := []*cobra.Command{{
		Use: "list", Short: "Print the nodes as the machines that they are, as a JSON list", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, _, err := open(command, "")
			if err != nil {
				return err
			}
			nodes, err := c.Nodes(command.Context())
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(nodes)
		},
	}}
	for _, action := range cluster.Actions() {
		children = append(children, &cobra.Command{
			Use: string(action) + " NODE", Short: describeAction(action), Args: cobra.ExactArgs(1),
			RunE: func(command *cobra.Command, args []string) error {
				if err := cluster.CheckNode(args[0]); err != nil {
					return withCode(ExitUsage, err)
				}
				c, done, err := open(command, args[0])
				if err != nil {
					return err
				}
				defer done()
				evidence, err := c.Do(command.Context(), action, args[0])
				if err != nil {
					return err
				}
				for _, o := range evidence.Observations {
					fmt.Fprintf(command.OutOrStdout(), "%6.3fs  %s (%s)\n", o.At.Sub(evidence.Begun).Seconds(), o.What, o.How)
				}
				return nil
			},
		})
	}
	return newGroup("node", "Do something to a node as a machine, and see the effect; refused while a run holds the cluster", children...)
}

func describeAction(action cluster.Action) string {
	return map[cluster.Action]string{
		cluster.PowerOff:     "Take the power away: the cable is cut, then everything ends at once",
		cluster.PowerOn:      "Boot the node's disk again",
		cluster.Shutdown:     "Shut down in an orderly way: pods get SIGTERM and their grace period",
		cluster.Freeze:       "Stop every process of the node, pods included",
		cluster.Thaw:         "Let a frozen node go on",
		cluster.Isolate:      "Cut the node's link; its processes live on",
		cluster.Rejoin:       "Mend the node's link",
		cluster.KubeletStop:  "Stop kubelet; containers are left alone",
		cluster.KubeletStart: "Start kubelet again",
	}[action]
}

func newClusterLoadCommand(open openCluster) *cobra.Command {
	return &cobra.Command{
		Use: "load IMAGE.tar", Short: "Bring an image archive to all nodes", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := open(command)
			if err != nil {
				return err
			}
			return c.Load(command.Context(), args[0])
		},
	}
}

func newClusterLogsCommand(open openCluster) *cobra.Command {
	var follow bool
	command := &cobra.Command{
		Use: "logs [NODE[/SERVICE] | SERVICE]", Short: "Print logs: of kubelet on a node, of a service of the control plane, or list what there is",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			opened, err := open(command)
			if err != nil {
				return err
			}
			c, ok := opened.(*embedded.Cluster)
			if !ok {
				return usagef("the logs of kind's nodes are in the nodes: `docker exec NODE journalctl --unit kubelet`, or all of them by `kind export logs --name %s`", opened.Name())
			}
			if len(args) == 0 {
				return listLogs(command, c)
			}
			file, err := findLog(c, args[0])
			if err != nil {
				return err
			}
			return printLog(command, file, follow)
		},
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	return command
}

func listLogs(command *cobra.Command, c *embedded.Cluster) error {
	logs, err := c.Logs()
	if err != nil {
		return err
	}
	for _, log := range logs {
		fmt.Fprintln(command.OutOrStdout(), log.Name())
	}
	return nil
}

// findLog takes NODE for its kubelet's log, NODE/SERVICE for that service's, and SERVICE for the control plane's.
func findLog(c *embedded.Cluster, name string) (embedded.Log, error) {
	logs, err := c.Logs()
	if err != nil {
		return embedded.Log{}, err
	}
	var known []string
	for _, log := range logs {
		if name == log.Name() || name == log.Machine && log.Service == "kubelet" {
			return log, nil
		}
		known = append(known, log.Name())
	}
	return embedded.Log{}, usagef("there is no log %q: expected a node, or one of %s", name, strings.Join(known, ", "))
}

// printLog copies a log and, if asked to follow, what is appended until the command is interrupted.
func printLog(command *cobra.Command, log embedded.Log, follow bool) error {
	file, err := log.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := io.Copy(command.OutOrStdout(), file); err != nil || !follow {
			return err
		}
		if err := rewind(file); err != nil {
			return err
		}
		select {
		case <-command.Context().Done():
			return nil
		case <-ticker.C:
		}
	}
}

// rewind goes back to the begin of a log that was cut since it was read: its machine bounds it.
func rewind(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	read, err := file.Seek(0, io.SeekCurrent)
	if err == nil && info.Size() < read {
		_, err = file.Seek(0, io.SeekStart)
	}
	return err
}
