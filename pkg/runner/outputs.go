package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// tailLines is how many lines of the reader's log are told if it fails.
const tailLines = 3

// outputs reads what the application wrote. Before that, what is still disturbed is brought back, and what still writes may end.
func (r *run) outputs(ctx context.Context) error {
	if err := r.recoverActive(ctx); err != nil {
		return err
	}
	r.watchAftermath(ctx)
	_, err := r.session.readOutputs(ctx)
	return err
}

// readOutputs has a pod read the outputs of the application, and tells the history what it read, or why it did not.
func (s *session) readOutputs(ctx context.Context) ([]history.OutputData, error) {
	if s.reader == nil {
		return nil, nil
	}
	planned := s.run.Plan.Workload.Output
	pod, read, trouble := s.read(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	all := make([]history.OutputData, len(planned))
	for i, output := range planned {
		data := history.OutputData{Error: trouble}
		if i < len(read) {
			data = read[i]
		}
		data.Name, data.Node = output.Name(), pod.Spec.NodeName
		if data.Error != "" {
			s.run.Progress.Say("output %s cannot be read: %s", data.Name, data.Error)
		}
		object := &history.Object{Kind: "Pod", Namespace: s.id, Name: s.reader.Name, UID: string(pod.UID)}
		if _, err := s.log.Append(history.Harness, history.OutputRead, object, data); err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

// read runs the reader. It returns its pod, what it told of the first outputs, and why it told nothing of the others.
func (s *session) read(ctx context.Context) (corev1.Pod, []history.OutputData, string) {
	if !s.ended() {
		return corev1.Pod{}, nil, "the application had not ended, so its outputs were not read"
	}
	if _, err := launcher.Create(ctx, s.run.client, s.reader); err != nil {
		return corev1.Pod{}, nil, err.Error()
	}
	pod, ended := s.awaitReader(ctx)
	log, err := s.readerLog(ctx)
	read, tail := parseOutputs(log)
	trouble := fmt.Sprintf("pod %s, which reads outputs, %s", s.reader.Name, ended)
	if err != nil {
		return pod, read, fmt.Sprintf("%s; its log cannot be had: %v", trouble, err)
	}
	return pod, read, fmt.Sprintf("%s; its log ends with: %s", trouble, tail)
}

// ended reports whether the application has completed or failed.
func (s *session) ended() (over bool) {
	completed, err := completion()
	if err != nil {
		return false
	}
	s.live.read(func(m *model.Model) {
		well, _ := completed.Reached(m, 0)
		over = well || failed(m)
	})
	return over
}

// awaitReader waits until the reader has ended, and says in words how.
func (s *session) awaitReader(ctx context.Context) (corev1.Pod, string) {
	var pod corev1.Pod
	how := ""
	err := s.run.until(ctx, "the outputs to be read", launcher.OutputTimeout, func(ctx context.Context) await.Result {
		found, err := s.run.client.CoreV1().Pods(s.id).Get(ctx, s.reader.Name, metav1.GetOptions{})
		if err != nil {
			return await.NotYet(err)
		}
		pod = *found
		if how = readerEnd(pod); how == "" {
			return await.NotYet(fmt.Errorf("its pod is %s", pod.Status.Phase))
		}
		return await.Done()
	})
	if how == "" {
		how = fmt.Sprintf("did not end: %v", err)
	}
	return pod, how
}

// readerEnd says how the reader ended; empty if it has not. Containers beside it may continue.
func readerEnd(pod corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if end := status.State.Terminated; end != nil && status.Name == scenario.DriverContainer {
			return fmt.Sprintf("ended with exit code %d (%s)", end.ExitCode, end.Reason)
		}
	}
	if phase := pod.Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		return strings.TrimSpace(fmt.Sprintf("is %s %s", phase, pod.Status.Message))
	}
	return ""
}

// readerLog returns the log of the reader without secret values.
func (s *session) readerLog(ctx context.Context) (string, error) {
	options := &corev1.PodLogOptions{Container: scenario.DriverContainer}
	stream, err := s.run.client.CoreV1().Pods(s.id).GetLogs(s.reader.Name, options).Stream(ctx)
	if err != nil {
		return "", err
	}
	var log bytes.Buffer
	keep := &podLogs{masked: s.run.secrets.masked(), podLimit: maxPodLog}
	keep.left.Store(maxPodLog)
	err = errors.Join(keep.keep(&log, stream), stream.Close())
	return log.String(), err
}

// parseOutputs returns what a reader's log says about the outputs, in their order, and the last lines of all else in it.
func parseOutputs(log string) (read []history.OutputData, tail string) {
	var other []string
	var told strings.Builder
	for line := range strings.Lines(log) {
		part, marked := strings.CutPrefix(strings.TrimRight(line, "\r\n"), launcher.OutputMark)
		if !marked {
			if line = strings.TrimSpace(line); line != "" {
				other = append(other, line)
			}
			continue
		}
		if more, goesOn := strings.CutPrefix(part, launcher.OutputMore); goesOn {
			told.WriteString(more)
			continue
		}
		told.WriteString(strings.TrimPrefix(part, launcher.OutputLast))
		read = append(read, parseOutput(told.String()))
		told.Reset()
	}
	last := other[max(0, len(other)-tailLines):]
	if i := slices.IndexFunc(other, func(line string) bool { return strings.HasPrefix(line, "Exception in thread") }); i >= 0 {
		last = other[i:min(len(other), i+tailLines)]
	}
	return read, strings.Join(last, " / ")
}

// parseOutput returns what one line says about an output.
func parseOutput(line string) history.OutputData {
	var data history.OutputData
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&data)
	if err == nil {
		err = data.Check()
	}
	if err != nil {
		return history.OutputData{Error: fmt.Sprintf("what the reader told of it makes no sense: %v", err)}
	}
	return data
}
