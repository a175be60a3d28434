package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// podLogs keeps the logs of a namespace's pods as they are written: they vanish with the pods.
type podLogs struct {
	client    kubernetes.Interface
	directory string
	stop      context.CancelFunc
	followers sync.WaitGroup
}

// followLogs follows every pod that the history tells of, from when its container runs.
func followLogs(ctx context.Context, client kubernetes.Interface, log *history.Writer, directory string) (*podLogs, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("keep the pods' logs: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &podLogs{client: client, directory: directory, stop: stop}
	known := map[string]bool{}
	l.followers.Go(func() {
		// The history says itself if it ends too early.
		_ = each(running, log, func(e history.Event) (bool, error) {
			if pod, ok := started(e); ok && !known[e.Object.UID] {
				known[e.Object.UID] = true
				l.followers.Go(func() { l.follow(running, pod) })
			}
			return false, nil
		}, func() error { return nil })
	})
	return l, nil
}

// started returns the pod of an event if its containers have started.
func started(e history.Event) (corev1.Pod, bool) {
	var pod corev1.Pod
	if e.Source != history.Kubernetes || e.Object == nil || e.Object.Kind != "Pod" || e.Type == history.Deleted {
		return pod, false
	}
	if err := json.Unmarshal(e.Data, &pod); err != nil {
		return pod, false
	}
	return pod, pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// follow copies one pod's log until it ends. A log that cannot be had is replaced by the reason: it is for people, no
// verdict depends on it.
func (l *podLogs) follow(ctx context.Context, pod corev1.Pod) {
	file, err := os.Create(filepath.Join(l.directory, pod.Name+".log"))
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // for people only, see above
	stream, err := l.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err == nil {
		_, err = io.Copy(file, stream)
		err = errors.Join(err, stream.Close())
	}
	if err != nil {
		_, _ = fmt.Fprintf(file, "\n[sparkchaos: the log could not be followed further: %v]\n", err)
	}
}

// end stops following.
func (l *podLogs) end() {
	l.stop()
	l.followers.Wait()
}
