package cluster

import (
	"context"
)

// Program is something that can run beside a control plane, where no loss of a node reaches it.
type Program struct {
	Name string // of the service
	Path string // of the executable on this machine
	Args []string
	Env  []string          // NAME=value
	File map[string][]byte // files by their names in Directory
}

// Directory is where the program finds its files.
func (p Program) Directory() string { return "/var/lib/sparkchaos/" + p.Name }

// ControlPlaneHost is a cluster that can run programs beside its control plane.
type ControlPlaneHost interface {
	// ControlPlaneAddress is the IP at which programs beside the control plane are reached from it and from pods, and at which they
	// find the API server's port 6443.
	ControlPlaneAddress() string
	// StartBeside starts a program and keeps it running; one of that name that runs is replaced.
	StartBeside(ctx context.Context, program Program) error
	// StopBeside ends a program and removes its files; existed says whether there was one.
	StopBeside(ctx context.Context, name string) (existed bool, err error)
}
