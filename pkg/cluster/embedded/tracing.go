//go:build linux

package embedded

import (
	"context"
	"net"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

// spanAddress is where components export their spans by OTLP/gRPC, to whoever listens. It is the control plane's, which no lost worker
// takes away.
const spanAddress = network.ControlIP + ":4317"

// allSpans are the settings of a component of Kubernetes that exports every span.
func allSpans() map[string]any {
	return map[string]any{"endpoint": spanAddress, "samplingRatePerMillion": 1_000_000}
}

// traceControlPlane has the API server of a machine export spans.
func traceControlPlane(spec *machine.Spec) error {
	config := allSpans()
	config["apiVersion"], config["kind"] = "apiserver.config.k8s.io/v1", "TracingConfiguration"
	text, err := toYAML(config)
	if err != nil {
		return err
	}
	file := kubernetesFile("tracing.yaml")
	spec.Files[file] = text
	for i := range spec.Services {
		if service := &spec.Services[i]; service.Name == apiServerService {
			service.Command = append(service.Command, "--tracing-config-file="+file)
		}
	}
	return nil
}

// traceContainerd has the containerd of a node export spans.
func traceContainerd(services []machine.Service, node string) {
	for i := range services {
		if services[i].Name == containerdService {
			services[i].Env = append(services[i].Env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+spanAddress, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
				"OTEL_TRACES_SAMPLER=always_on", "OTEL_RESOURCE_ATTRIBUTES=host.name="+node)
		}
	}
}

// ListenForSpans implements cluster.Traced.
func (c *Cluster) ListenForSpans(context.Context) (net.Listener, error) {
	if !c.record.Traced {
		return nil, nil
	}
	control, err := c.controlPID()
	if err != nil {
		return nil, err
	}
	return network.Listen(control, spanAddress)
}
