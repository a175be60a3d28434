package sparkchaos

import (
	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
)

// Source says which cluster is meant: one that is made on this machine, or one that exists.
type Source struct{ source testbed.Source }

// SourceOption changes a Source.
type SourceOption func(*Source)

// Embedded is a cluster of Linux namespaces on this machine, with as many nodes for pods. It needs root, and Main.
func Embedded(workers int, options ...SourceOption) Source {
	return Source{testbed.Made("embedded", workers)}.with(options)
}

// Kind is a cluster whose nodes are containers of Docker or Podman, with as many nodes for pods. It needs root.
func Kind(workers int, options ...SourceOption) Source {
	return Source{testbed.Made("kind", workers)}.with(options)
}

// Existing is a cluster that somebody else made, reached by a context of the kubeconfig. It is worked on only if AllowContext names the
// context, too, and only if the option Allow or Yes allows what is shown of it. Images must name that of the program that runs in pods.
func Existing(context string, options ...SourceOption) Source {
	return Source{testbed.Existing(context)}.with(options)
}

// Of is a cluster of a kind whose options are set already; name is that of the cluster.
func Of(kind cluster.Kind, name string) Source { return Source{testbed.Of(kind, name)} }

func (s Source) with(options []SourceOption) Source {
	for _, change := range options {
		change(&s)
	}
	return s
}

// Name names a cluster of this machine; several live side by side.
func Name(name string) SourceOption { return func(s *Source) { s.source.Name = name } }

// Timing decides how soon a cluster of this machine notices a dead node; without it, in about four seconds.
func Timing(timing cluster.Timing) SourceOption { return func(s *Source) { s.source.Timing = timing } }

// AllowContext says that the cluster of a context may be worked on.
func AllowContext(name string) SourceOption {
	return onExisting(func(e *existing.Settings) { e.Allowed = append(e.Allowed, name) })
}

// Kubeconfig names the file with the context; without it the usual places are looked at.
func Kubeconfig(file string) SourceOption {
	return onExisting(func(e *existing.Settings) { e.Kubeconfig = file })
}

// Images name the images that the nodes of an existing cluster pull.
func Images(references cluster.References) SourceOption {
	return onExisting(func(e *existing.Settings) { e.Images = references })
}

// StorageClasses name the storage classes of volumes of an existing cluster; without them its default class is taken.
func StorageClasses(classes cluster.StorageClasses) SourceOption {
	return onExisting(func(e *existing.Settings) { e.Classes = classes })
}

// WitnessAddress is the IP at which pods of an existing cluster reach this machine; without it they report to a witness in the cluster.
func WitnessAddress(ip string) SourceOption {
	return onExisting(func(e *existing.Settings) { e.WitnessAddress = ip })
}

// CloudSecret is NAMESPACE/NAME of the Secret with which Chaos Mesh stops the nodes of an existing cluster by their cloud's API.
func CloudSecret(name string) SourceOption {
	return onExisting(func(e *existing.Settings) { e.CloudSecret = name })
}

// IncludeControlPlane has faults also injected into the control plane nodes of an existing cluster.
func IncludeControlPlane() SourceOption {
	return onExisting(func(e *existing.Settings) { e.ControlPlane = true })
}

// NodeActions names a file with the commands that act on the machines of an existing cluster.
func NodeActions(file string) SourceOption {
	return onExisting(func(e *existing.Settings) { e.NodeActions = file })
}

func onExisting(change func(*existing.Settings)) SourceOption {
	return func(s *Source) { s.source.OnExisting(change) }
}
