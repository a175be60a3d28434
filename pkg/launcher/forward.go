package launcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Forward opens a port on this machine's loopback that leads to a port of a pod, through the API server and the pod's
// kubelet, and returns its HTTP address. It leads to that very pod until close is called.
func Forward(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace, pod string, port int) (address string,
	closePort func(), err error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return "", nil, fmt.Errorf("reach pod %s/%s: %w", namespace, pod, err)
	}
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stop, ready := make(chan struct{}), make(chan struct{})
	var said bytes.Buffer
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stop, ready, io.Discard,
		&said)
	if err != nil {
		return "", nil, fmt.Errorf("reach port %d of pod %s/%s: %w", port, namespace, pod, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	closePort = func() {
		close(stop)
		<-ended
	}
	select {
	case <-ready:
	case err := <-ended:
		return "", nil, fmt.Errorf("reach port %d of pod %s/%s: %w %s", port, namespace, pod, err, strings.TrimSpace(said.String()))
	case <-ctx.Done():
		closePort()
		return "", nil, fmt.Errorf("reach port %d of pod %s/%s: %w", port, namespace, pod, context.Cause(ctx))
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		closePort()
		return "", nil, fmt.Errorf("reach port %d of pod %s/%s: %w", port, namespace, pod, err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local), closePort, nil
}
