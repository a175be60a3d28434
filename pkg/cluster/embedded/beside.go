//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

var _ cluster.ControlPlaneHost = (*Cluster)(nil)

// ControlPlaneAddress implements cluster.ControlPlaneHost.
func (c *Cluster) ControlPlaneAddress() string { return network.ControlIP }

// StartBeside implements cluster.ControlPlaneHost: the program is a service of the control plane's machine.
func (c *Cluster) StartBeside(ctx context.Context, program cluster.Program) error {
	if err := checkProgram(program); err != nil {
		return fmt.Errorf("program beside the control plane of cluster %s: %w", c.record.Name, err)
	}
	if _, err := c.StopBeside(ctx, program.Name); err != nil {
		return err
	}
	init, err := c.controlPID()
	if err != nil {
		return err
	}
	inside := program.Directory()
	outside := filepath.Join(c.directory.disk(controlPlane), inside)
	if err := placeFiles(program, outside); err != nil {
		return fmt.Errorf("program %s beside the control plane of cluster %s: %w", program.Name, c.record.Name, err)
	}
	return machine.NewRemote(init).Add(ctx, machine.Service{
		Name: program.Name, Command: append([]string{filepath.Join(inside, filepath.Base(program.Path))}, program.Args...), Env: program.Env,
		Stop: 3 * time.Second,
	})
}

// StopBeside implements cluster.ControlPlaneHost.
func (c *Cluster) StopBeside(ctx context.Context, name string) (bool, error) {
	if err := cluster.CheckProgram(name); err != nil {
		return false, err
	}
	init, err := c.controlPID()
	if err != nil {
		return false, err
	}
	remote := machine.NewRemote(init)
	status, err := remote.Status(ctx)
	if err != nil {
		return false, err
	}
	existed := slices.ContainsFunc(status.Services, func(s machine.ServiceStatus) bool { return s.Name == name })
	if existed {
		if err := remote.Remove(ctx, name); err != nil {
			return true, err
		}
	}
	disk, err := os.OpenRoot(c.directory.disk(controlPlane))
	if err != nil {
		return existed, err
	}
	directory := strings.TrimPrefix(cluster.Program{Name: name}.Directory(), "/")
	return existed, errors.Join(disk.RemoveAll(directory), disk.Close())
}

// checkProgram reports what keeps a program from being placed: its name and those of its files become parts of paths.
func checkProgram(program cluster.Program) error {
	errs := []error{cluster.CheckProgram(program.Name)}
	for name := range program.File {
		if !filepath.IsLocal(name) {
			errs = append(errs, fmt.Errorf("%q cannot be the name of a file of program %q: expected one below its directory", name, program.Name))
		}
	}
	return errors.Join(errs...)
}

// placeFiles puts the executable and the files of a program into a directory, which no one but root may read.
func placeFiles(program cluster.Program, directory string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	executable := filepath.Join(directory, filepath.Base(program.Path))
	if err := os.Link(program.Path, executable); err != nil { // of another file system
		info, statErr := os.Stat(program.Path)
		if statErr != nil {
			return errors.Join(err, statErr)
		}
		if err := copyAny(program.Path, executable, info); err != nil {
			return err
		}
	}
	for name, content := range program.File {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
