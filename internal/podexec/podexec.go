// Package podexec runs commands in containers by the API server, as `kubectl exec` does.
package podexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

// Place is the container in which a command runs.
type Place struct{ Namespace, Pod, Container string }

// Run runs a command to its end and returns what it wrote to its standard output. A command that fails, or that cannot be run, is an
// error with what it wrote to its standard error; one with an exit code is a k8s.io/client-go/util/exec.CodeExitError.
func Run(ctx context.Context, config *rest.Config, client kubernetes.Interface, place Place, command ...string) ([]byte, error) {
	options := &corev1.PodExecOptions{Container: place.Container, Command: command, Stdout: true, Stderr: true}
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(place.Namespace).Name(place.Pod).SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec).URL()
	executor, err := remotecommand.NewSPDYExecutor(config, "POST", url)
	if err != nil {
		return nil, fmt.Errorf("run %s in pod %s/%s: %w", command[0], place.Namespace, place.Pod, err)
	}
	var out, said bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &said}); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			err = errors.Join(err, errors.New(text))
		}
		return out.Bytes(), fmt.Errorf("%s in pod %s/%s: %w", command[0], place.Namespace, place.Pod, err)
	}
	return out.Bytes(), nil
}
