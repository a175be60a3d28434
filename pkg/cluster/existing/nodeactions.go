package existing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// placeholder stands in a command for the name of the node.
const placeholder = "{node}"

// commandTimeout bounds a command whose file names no bound.
const commandTimeout = time.Minute

// NodeActions says by which commands of the user's own the machines of an existing cluster are looked at and disturbed: a
// cloud's command line, ipmitool, virsh.
type NodeActions struct {
	APIVersion string `json:"apiVersion" enum:"sparkchaos.dev/v1alpha1"`
	Kind       string `json:"kind" enum:"NodeActions"`
	// Nodes prints the states of the machines: a JSON list of objects with the fields name, power (on or off), frozen, isolated,
	// kubelet (whether it runs) and bootID. Without it no action could be seen to have taken effect.
	Nodes Command `json:"nodes"`
	// Actions has a command for each action, by the action's name; {node} in it stands for the node.
	Actions map[string]Command `json:"actions"`
}

// Command is a command with its arguments, which no shell sees.
type Command struct {
	Command []string      `json:"command" like:"[ipmitool, -H, \"{node}-bmc\", chassis, power, off]"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// ParseNodeActions reads a file of node actions and names all that is wrong with it, with line and column.
func ParseNodeActions(file string, data []byte) (*NodeActions, error) {
	d := strictyaml.NewDecoder(nil)
	var actions NodeActions
	d.Decode(data, &actions)
	if actions.Kind == "NodeActions" {
		actions.validate(d.Problem)
	}
	if err := d.Err(file); err != nil {
		return nil, err
	}
	return &actions, nil
}

func (n *NodeActions) validate(report func(path, format string, args ...any)) {
	n.Nodes.validate("nodes", report)
	var known []string
	for _, action := range cluster.Actions() {
		known = append(known, string(action))
	}
	for name, command := range n.Actions {
		at := "actions." + name
		if !slices.Contains(known, name) {
			report(at, "%q is no action; %s", name, strictyaml.Suggest(name, known))
			continue
		}
		command.validate(at, report)
		if len(command.Command) > 0 && !slices.ContainsFunc(command.Command,
			func(word string) bool { return strings.Contains(word, placeholder) }) {
			report(at+".command", "it does not say %s, so it would do the same to whatever node is meant", placeholder)
		}
		if undo, ok := cluster.Action(name).Undo(); ok {
			if _, ok := n.Actions[string(undo)]; !ok {
				report(at, "nothing undoes it; give a command for %s, too", undo)
			}
		}
	}
}

func (c Command) validate(at string, report func(path, format string, args ...any)) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		report(at+".command", "want a program and its arguments, got nothing")
	}
}

// Can returns the actions that have a command, in their usual order.
func (n *NodeActions) Can() []cluster.Action {
	if n == nil {
		return nil
	}
	return slices.DeleteFunc(cluster.Actions(), func(action cluster.Action) bool {
		_, ok := n.Actions[string(action)]
		return !ok
	})
}

// states asks for the machines, by their names.
func (n *NodeActions) states(ctx context.Context) (map[string]cluster.Node, error) {
	out, err := n.Nodes.run(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("look at the machines: %w", err)
	}
	nodes, err := parseStates(out)
	if err != nil {
		return nil, fmt.Errorf("look at the machines: what %q printed: %w", n.Nodes.Command, err)
	}
	return nodes, nil
}

// parseStates reads what the command that looks at the machines printed.
func parseStates(out []byte) (map[string]cluster.Node, error) {
	var nodes []cluster.Node
	decoder := json.NewDecoder(bytes.NewReader(out))
	if err := decoder.Decode(&nodes); err != nil {
		return nil, fmt.Errorf("expected a JSON list of machines: %w", err)
	}
	byName := map[string]cluster.Node{}
	var problems []error
	for i, node := range nodes {
		switch _, twice := byName[node.Name]; {
		case node.Name == "":
			problems = append(problems, fmt.Errorf("machine %d has no name", i))
		case twice:
			problems = append(problems, fmt.Errorf("machine %s is there twice", node.Name))
		case node.Power != cluster.On && node.Power != cluster.Off:
			problems = append(problems, fmt.Errorf("machine %s: power is %q, want on or off", node.Name, node.Power))
		}
		byName[node.Name] = node
	}
	return byName, errors.Join(problems...)
}

// bound is how long the command may take.
func (c Command) bound() time.Duration {
	if c.Timeout == 0 {
		return commandTimeout
	}
	return c.Timeout
}

// run runs the command for a node and returns what it printed.
func (c Command) run(ctx context.Context, node string) ([]byte, error) {
	bound := c.bound()
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("it did not end within %v", bound))
	defer cancel()
	words := slices.Clone(c.Command)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], placeholder, node)
	}
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.WaitDelay = time.Second // what it started may hold its output open
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("%q: %w: %s", words, err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), nil
}
