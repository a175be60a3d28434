package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// openCluster opens the cluster of a command that only clusters of this machine have.
type openCluster func(*cobra.Command) (cluster.Own, error)

// newClusterCommand returns `sparkchaos cluster`.
func newClusterCommand(getenv func(string) string) *cobra.Command {
	chosen := newClusterChoice()
	// done lets runs begin again on a cluster that something was to be done to.
	openAny := func(command *cobra.Command, actOn string) (c cluster.Cluster, done func(), err error) {
		provider, name, err := clustersAt(command, getenv, chosen)
		if err != nil {
			return nil, nil, err
		}
		done = func() {}
		if guarded, ok := provider.(cluster.Guarded); ok && actOn != "" {
			if done, err = guarded.ActOn(command.Context(), name, actOn); err != nil {
				return nil, nil, err
			}
		}
		if c, err = provider.Open(name); err != nil {
			done()
			return nil, nil, err
		}
		return c, done, nil
	}
	open := func(command *cobra.Command) (cluster.Own, error) {
		foreign := chosen.here("%s is for clusters that were made on this machine; kubectl does it for an existing one", command.CommandPath())
		if foreign != nil {
			return nil, foreign
		}
		c, _, err := openAny(command, "")
		if err != nil {
			return nil, err
		}
		own, ok := c.(cluster.Own)
		if !ok {
			return nil, fmt.Errorf("%s: the %s cluster %s cannot do that", command.CommandPath(), chosen.kind, c.Name())
		}
		return own, nil
	}
	group := newGroup("cluster", "Real multi-node Kubernetes clusters on this machine, whose nodes can be disturbed",
		newClusterUpCommand(getenv, chosen),
		newClusterDownCommand(getenv, chosen),
		newClusterListCommand(getenv),
		newClusterStatusCommand(open),
		newClusterKubeconfigCommand(open),
		newClusterNodeCommand(openAny),
		newClusterLoadCommand(open),
		newClusterLogsCommand(open),
		newClusterShellCommand(getenv, open),
	)
	flags := group.PersistentFlags()
	chosen.addKind(flags, "cluster type")
	flags.StringVar(&chosen.name, "name", defaultCluster, "name of the cluster; several can exist side by side")
	chosen.addFlags(flags, cluster.ToReach)
	return group
}

// clustersAt returns the clusters of a kind for a command, to whose error stream progress goes, and the name of the one that is meant.
func clustersAt(command *cobra.Command, getenv func(string) string, chosen *clusterChoice) (cluster.Provider, string, error) {
	name, err := chosen.clusterName()
	if err != nil {
		return nil, "", err
	}
	provider, err := chosen.provider(getenv, func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) })
	return provider, name, err
}

func newClusterUpCommand(getenv func(string) string, chosen *clusterChoice) *cobra.Command {
	spec, timing := cluster.Spec{}, cluster.Fast().Name
	command := &cobra.Command{
		Use: "up", Short: "Create a cluster and wait until its nodes are Ready", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var err error
			if spec.Timing, err = cluster.NamedTiming(timing); err != nil {
				return withCode(ExitUsage, err)
			}
			spec.Name = chosen.name
			began := time.Now()
			already, err := bringUp(command, getenv, chosen, spec)
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			if already {
				fmt.Fprintf(out, "cluster %s runs already; nothing was changed\n", spec.Name)
				return nil
			}
			fmt.Fprintf(out, "cluster %s is up after %.1fs: %d workers, timing %s\n", spec.Name, time.Since(began).Seconds(), spec.Workers,
				spec.Timing.Name)
			fmt.Fprintf(out, "kubectl: sparkchaos cluster kubeconfig --cluster %s --name %s > kubeconfig; kubectl --kubeconfig kubeconfig get "+
				"nodes\n", chosen.kind, spec.Name)
			return nil
		},
	}
	flags := command.Flags()
	flags.IntVar(&spec.Workers, "workers", 3, "number of worker nodes")
	flags.StringVar(&timing, "timing", timing, "how soon a dead node is noticed: fast (about 4s) or production (Kubernetes' defaults)")
	chosen.addFlags(flags, cluster.ToMake)
	flags.StringArrayVar(&spec.Images, "image", nil, "image archive to load into all nodes; may be repeated")
	return command
}

// bringUp makes a cluster, or reports that it runs already.
func bringUp(command *cobra.Command, getenv func(string) string, chosen *clusterChoice, spec cluster.Spec) (already bool, err error) {
	foreign := chosen.here(
		"an existing cluster is there already: a run uses it with `sparkchaos run --cluster existing --context NAME --allow-context NAME`")
	if err := errors.Join(foreign, chosen.checkFlags()); err != nil {
		return false, err
	}
	provider, _, err := clustersAt(command, getenv, chosen)
	if err != nil {
		return false, err
	}
	state, err := paths.State(getenv)
	if err != nil {
		return false, err
	}
	if err := paths.MarkState(state, programVersion()); err != nil {
		return false, err
	}
	_, made, err := provider.Make(command.Context(), spec)
	return !made, err
}

func newClusterDownCommand(getenv func(string) string, chosen *clusterChoice) *cobra.Command {
	var all, force bool
	command := &cobra.Command{
		Use: "down", Short: "Remove a cluster and everything that belongs to it", Args: cobra.NoArgs,
		Long: `Remove a cluster and everything that belongs to it. A cluster that a run holds is removed only with --force; the run then
ends with an error.`,
		RunE: func(command *cobra.Command, _ []string) error {
			clusters, _, err := clustersAt(command, getenv, chosen)
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
	command.Flags().BoolVar(&all, "all", false, "remove all clusters of this user on this machine of the type that --cluster names")
	command.Flags().BoolVar(&force, "force", false, "remove the cluster even if a run holds it")
	return command
}

// takeDown removes a cluster that no run holds, or one that is to be removed under its run.
func takeDown(ctx context.Context, clusters cluster.Provider, name string, force bool) (existed bool, err error) {
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
		Use: "status", Short: "Show nodes, power, memory, timing settings and the locations of files", Args: cobra.NoArgs,
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
	command.Flags().StringVarP(&output, "output", "o", "", "output format; json or, by default, a table")
	return command
}

func showStatus(command *cobra.Command, c cluster.Own, asJSON bool) error {
	status, err := c.Show(command.Context())
	if err != nil {
		return err
	}
	if !asJSON {
		return printStatus(command.OutOrStdout(), status)
	}
	return printJSON(command.OutOrStdout(), status)
}

func printStatus(out io.Writer, s cluster.Status) error {
	for _, row := range s.Rows {
		fmt.Fprintf(out, "%-11s %s\n", row.Name, row.Text)
	}
	nodes := table.New(s.Header...)
	for _, node := range s.Nodes {
		nodes.Add(node...)
	}
	return nodes.Render(out)
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
		Use: "list", Short: "Print the nodes' machines as a JSON list", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, _, err := open(command, "")
			if err != nil {
				return err
			}
			nodes, err := c.Nodes(command.Context())
			if err != nil {
				return err
			}
			return printJSON(command.OutOrStdout(), nodes)
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
	return newGroup("node", "Disturb a node as a machine and verify the effect; refused while a run holds the cluster", children...)
}

func describeAction(action cluster.Action) string {
	return map[cluster.Action]string{
		cluster.PowerOff:     "Power the node off abruptly: its network is cut, then all processes end at once",
		cluster.PowerOn:      "Boot the node again from its disk",
		cluster.Shutdown:     "Shut the node down gracefully: pods get SIGTERM and their grace period",
		cluster.Freeze:       "Freeze every process of the node, pods included",
		cluster.Thaw:         "Resume a frozen node",
		cluster.Isolate:      "Cut the node off the network; its processes keep running",
		cluster.Rejoin:       "Restore the node's network",
		cluster.KubeletStop:  "Stop kubelet; containers keep running",
		cluster.KubeletStart: "Start kubelet again",
	}[action]
}

func newClusterLoadCommand(open openCluster) *cobra.Command {
	return &cobra.Command{
		Use: "load IMAGE.tar", Short: "Load an image archive into all nodes", Args: cobra.ExactArgs(1),
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
		Use:   "logs [NODE[/SERVICE] | SERVICE]",
		Short: "Print logs of kubelet on a node or of a control plane service, or list the logs that exist",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := open(command)
			if err != nil {
				return err
			}
			logs, err := c.LogFiles()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return listLogs(command, logs)
			}
			log, err := findLog(logs, args[0])
			if err != nil {
				return err
			}
			return printLog(command, log, follow)
		},
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "keep printing new lines")
	return command
}

func listLogs(command *cobra.Command, logs []cluster.Log) error {
	for _, log := range logs {
		fmt.Fprintln(command.OutOrStdout(), log.Name())
	}
	return nil
}

// findLog takes NODE for its kubelet's log, NODE/SERVICE for that service's, and SERVICE for the control plane's.
func findLog(logs []cluster.Log, name string) (cluster.Log, error) {
	var known []string
	for _, log := range logs {
		if name == log.Name() || log.Of(name) {
			return log, nil
		}
		known = append(known, log.Name())
	}
	return nil, usagef("there is no log %q: expected a node, or one of %s", name, strings.Join(known, ", "))
}

// printLog copies a log and, if asked to follow, what is appended until the command is interrupted.
func printLog(command *cobra.Command, log cluster.Log, follow bool) error {
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
