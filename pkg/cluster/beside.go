package cluster

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
