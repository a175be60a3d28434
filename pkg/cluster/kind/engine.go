//go:build linux

package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Engine is a container engine with Docker's command line.
type Engine string

// The engines that kind can use and this package can disturb containers with.
const (
	Docker Engine = "docker"
	Podman Engine = "podman"
)

// Labels that kind gives its containers.
const (
	clusterLabel = "io.x-k8s.kind.cluster"
	roleLabel    = "io.x-k8s.kind.role"
	workerRole   = "worker"
)

// networkName is the network that kind makes for all its clusters.
const networkName = "kind"

// FindEngine returns the engine of this machine that answers, Docker first. Its error says what each of them lacks.
func FindEngine(ctx context.Context) (Engine, error) {
	var errs []error
	for _, engine := range []Engine{Docker, Podman} {
		err := engine.Check(ctx)
		if err == nil {
			return engine, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("kind needs a container engine: %w", errors.Join(errs...))
}

// Check says what keeps the engine from being used.
func (e Engine) Check(ctx context.Context) error {
	if _, err := exec.LookPath(string(e)); err != nil {
		return fmt.Errorf("%s is not installed: %w", e, err)
	}
	if _, err := e.run(ctx, "info"); err != nil {
		return fmt.Errorf(
			"%s does not answer; Docker's daemon is started by \"systemctl start docker\", and DOCKER_HOST says where another one is: %w", e, err)
	}
	return nil
}

// run calls the engine and returns what it printed. Its error holds what it said.
func (e Engine) run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, string(e), args...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	command.WaitDelay = time.Second
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s %s: %w: %s", e, strings.Join(args, " "), err, strings.TrimSpace(said.String()+out.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// container is what the engine says about one node.
type container struct {
	Name  string `json:"Name"`
	State struct {
		Running   bool   `json:"Running"`
		Paused    bool   `json:"Paused"`
		Pid       int    `json:"Pid"`
		ExitCode  int    `json:"ExitCode"`
		StartedAt string `json:"StartedAt"`
	} `json:"State"`
	Config struct {
		Labels map[string]string `json:"Labels"`
	} `json:"Config"`
	Mounts []struct {
		Source      string `json:"Source"`
		Destination string `json:"Destination"`
	} `json:"Mounts"`
	NetworkSettings struct {
		Networks map[string]struct {
			IPAddress string `json:"IPAddress"`
		} `json:"Networks"`
	} `json:"NetworkSettings"`
}

// name is the container's, which is the node's.
func (c container) name() string { return strings.TrimPrefix(c.Name, "/") }

func (c container) worker() bool { return c.Config.Labels[roleLabel] == workerRole }

// address is where the other nodes reach it; empty while its cable is out.
func (c container) address() string { return c.NetworkSettings.Networks[networkName].IPAddress }

func (c container) connected() bool {
	_, ok := c.NetworkSettings.Networks[networkName]
	return ok
}

// disk is the directory of this machine that is the node's /var.
func (c container) disk() (string, error) {
	for _, mount := range c.Mounts {
		if mount.Destination == "/var" {
			return mount.Source, nil
		}
	}
	return "", fmt.Errorf("container %s has no volume at /var: expected one, as kind makes it", c.name())
}

// inspect returns what the engine knows of one node.
func (e Engine) inspect(ctx context.Context, node string) (container, error) {
	found, err := e.inspectAll(ctx, []string{node})
	if err != nil {
		return container{}, err
	}
	return found[0], nil
}

func (e Engine) inspectAll(ctx context.Context, names []string) ([]container, error) {
	out, err := e.run(ctx, append([]string{"container", "inspect"}, names...)...)
	if err != nil {
		return nil, err
	}
	found, err := parseContainers(out)
	if err != nil || len(found) != len(names) {
		return nil, fmt.Errorf("%s container inspect %v: %d containers in its answer, %w", e, names, len(found), err)
	}
	return found, nil
}

// parseContainers reads what an engine says about containers.
func parseContainers(out string) ([]container, error) {
	var found []container
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return nil, err
	}
	for i := range found {
		// To Podman a container that is paused does not run.
		found[i].State.Running = found[i].State.Running || found[i].State.Paused
	}
	return found, nil
}

// nodes returns the containers of a kind cluster, sorted by name; none if there is no such cluster.
func (e Engine) nodes(ctx context.Context, cluster string) ([]container, error) {
	out, err := e.run(ctx, "ps", "--all", "--filter", "label="+clusterLabel+"="+cluster, "--format", "{{.Names}}")
	if err != nil {
		return nil, err
	}
	names := strings.Fields(out)
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return e.inspectAll(ctx, names)
}

// keepDown has a node that ended stay down: kind lets it start again by itself once, which would undo a power-off. Podman starts nothing
// again that it was told to end, and knows no such command before its version 5.
func (e Engine) keepDown(ctx context.Context, node string) error {
	if e == Podman {
		return nil
	}
	_, err := e.run(ctx, "update", "--restart=no", node)
	return err
}

// gateway is this machine's address in kind's network.
func (e Engine) gateway(ctx context.Context) (string, error) {
	out, err := e.run(ctx, "network", "inspect", networkName)
	if err != nil {
		return "", err
	}
	return parseGateway(out)
}

// parseGateway finds the IPv4 gateway in what an engine says about a network: Docker has it in IPAM.Config, Podman in subnets.
func parseGateway(out string) (string, error) {
	var networks []struct {
		IPAM struct {
			Config []struct{ Gateway string } `json:"Config"`
		} `json:"IPAM"`
		Subnets []struct {
			Gateway string `json:"gateway"`
		} `json:"subnets"`
	}
	if err := json.Unmarshal([]byte(out), &networks); err != nil {
		return "", fmt.Errorf("what the container engine says about network %s: %w", networkName, err)
	}
	var gateways []string
	for _, network := range networks {
		for _, config := range network.IPAM.Config {
			gateways = append(gateways, config.Gateway)
		}
		for _, subnet := range network.Subnets {
			gateways = append(gateways, subnet.Gateway)
		}
	}
	for _, gateway := range gateways {
		if address, err := netip.ParseAddr(gateway); err == nil && address.Is4() {
			return gateway, nil
		}
	}
	return "", fmt.Errorf("network %s has the gateways %q: expected one of IPv4", networkName, gateways)
}

// HasImage reports whether the engine has an image.
func (e Engine) HasImage(ctx context.Context, reference string) bool {
	_, err := e.run(ctx, "image", "inspect", "--format", "{{.Id}}", reference)
	return err == nil
}

// LoadImage brings an image archive of this machine into the engine.
func (e Engine) LoadImage(ctx context.Context, archive string) error {
	_, err := e.run(ctx, "load", "--input", archive)
	return err
}

// imageLabel returns a label of an image, empty if it has none.
func (e Engine) imageLabel(ctx context.Context, reference, label string) (string, error) {
	return e.run(ctx, "image", "inspect", "--format", fmt.Sprintf("{{index .Config.Labels %q}}", label), reference)
}
