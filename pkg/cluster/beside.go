package cluster

// Program is a program that can run beside a control plane, where the loss of a node does not affect it.
type Program struct {
	Name string // of the service
	Path string // of the executable on this machine
	Args []string
	Env  []string          // NAME=value
	File map[string][]byte // files by their names in Directory
}

// Directory is where the program finds its files.
func (p Program) Directory() string { return "/var/lib/sparkchaos/" + p.Name }
