package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Logs of pods may take so many bytes of this machine's disk: a pod writes as much as it likes.
const (
	maxPodLog = 64 << 20
	maxLogs   = 512 << 20 // of all pods of a session
)

var (
	errPodLogTooLong = fmt.Errorf("a pod's log is kept up to %d MiB", maxPodLog>>20)
	errLogsTooLong   = fmt.Errorf("the logs of all pods are kept up to %d MiB", maxLogs>>20)
)

// podLogs keeps the logs of a namespace's pods as they are written: they vanish with the pods.
type podLogs struct {
	client    kubernetes.Interface
	directory *os.Root
	masked    []string // must not stand in the files
	podLimit  int64
	left      atomic.Int64 // bytes that all logs may still take
	stop      context.CancelFunc
	followers sync.WaitGroup
}

// followLogs follows every pod that the history contains, from when its container runs. The texts of masked are not kept.
func followLogs(ctx context.Context, client kubernetes.Interface, live *live, directory string, masked []string) (*podLogs, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("keep the pods' logs: %w", err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, fmt.Errorf("keep the pods' logs: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &podLogs{client: client, directory: root, masked: masked, podLimit: maxPodLog, stop: stop}
	l.left.Store(maxLogs)
	l.followers.Go(func() {
		known := map[string]bool{}
		for {
			var begun []podName
			look := func(m *model.Model) (bool, error) {
				begun = started(m, known)
				return len(begun) > 0, nil
			}
			// The history says itself if it ends too early.
			if err := live.await(running, look, func() error { return context.DeadlineExceeded }); err != nil {
				return
			}
			for _, pod := range begun {
				l.followers.Go(func() { l.follow(running, pod) })
			}
		}
	})
	return l, nil
}

// podName is what a pod's log is asked for by, and the file that keeps it: pods of one name follow each other where a name is fixed.
type podName struct{ namespace, name, file string }

// started returns the pods whose containers have started and that are not known, and makes them known.
func started(m *model.Model, known map[string]bool) []podName {
	var begun []podName
	for uid, pod := range m.Pods {
		if !known[uid] && pod.Deleted.Never() && (!pod.Running.Never() || !pod.Finished.Never()) {
			file := pod.Name
			for other := range known {
				if m.Pods[other].Name == pod.Name {
					file = pod.Name + "-" + uid
				}
			}
			known[uid] = true
			begun = append(begun, podName{pod.Namespace, pod.Name, file})
		}
	}
	return begun
}

// follow copies one pod's log until it ends. A log that cannot be had is replaced by the reason: it is for people, no
// verdict depends on it.
func (l *podLogs) follow(ctx context.Context, pod podName) {
	file, err := l.directory.OpenFile(pod.file+".log", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // for people only, see above
	stream, err := l.client.CoreV1().Pods(pod.namespace).GetLogs(pod.name, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err == nil {
		err = errors.Join(l.keep(file, stream), stream.Close())
	}
	if err != nil {
		_, _ = fmt.Fprintf(file, "\n[sparkchaos: the log could not be followed further: %v]\n", err)
	}
}

// keep copies a log as far as there is room for it.
func (l *podLogs) keep(file io.Writer, stream io.Reader) error {
	mask := &maskWriter{out: file, masked: l.masked}
	_, err := io.Copy(mask, &boundedReader{from: stream, own: l.podLimit, all: &l.left})
	return errors.Join(err, mask.flush())
}

// boundedReader fails when a limit of its own, or one that it shares, is reached.
type boundedReader struct {
	from io.Reader
	own  int64
	all  *atomic.Int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	switch {
	case b.own <= 0:
		return 0, errPodLogTooLong
	case b.all.Load() <= 0:
		return 0, errLogsTooLong
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.own)])
	b.own -= int64(n)
	b.all.Add(int64(-n))
	return n, err
}

// mask stands for what is left out of a log.
const mask = "***"

// maskWriter leaves texts out of what it writes, also those that come in parts.
type maskWriter struct {
	out    io.Writer
	masked []string // the longest first
	held   []byte   // the begin of a masked text, maybe
}

func (m *maskWriter) Write(p []byte) (int, error) {
	return len(p), m.write(append(m.held, p...), false)
}

// flush writes what was held back: nothing more comes.
func (m *maskWriter) flush() error { return m.write(m.held, true) }

func (m *maskWriter) write(text []byte, last bool) error {
	var out bytes.Buffer
	for len(text) > 0 && (last || !m.begins(text)) {
		i := slices.IndexFunc(m.masked, func(secret string) bool { return bytes.HasPrefix(text, []byte(secret)) })
		if i < 0 {
			out.WriteByte(text[0])
			text = text[1:]
			continue
		}
		out.WriteString(mask)
		text = text[len(m.masked[i]):]
	}
	m.held = bytes.Clone(text)
	_, err := m.out.Write(out.Bytes())
	return err
}

// begins reports whether a text may be the begin of a masked one that continues in what comes.
func (m *maskWriter) begins(text []byte) bool {
	return slices.ContainsFunc(m.masked, func(secret string) bool {
		return len(text) < len(secret) && secret[:len(text)] == string(text)
	})
}

// end stops following.
func (l *podLogs) end() {
	l.stop()
	l.followers.Wait()
	_ = l.directory.Close() // the files are closed
}

// makePrivate takes what is in a directory from all other users. Others copy logs into it, too.
func makePrivate(directory string) error {
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.Chmod(path, 0o700)
		case entry.Type().IsRegular():
			return os.Chmod(path, 0o600)
		default:
			return nil
		}
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
