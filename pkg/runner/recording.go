package runner

import (
	"context"
	"errors"
	"path"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

const (
	// witnessRoot is where drivers and executors write their own records, on each node's own disk.
	witnessRoot = "/var/lib/sparkchaos/witness"
	// shuffleRoot is where executors leave what the shuffle service serves.
	shuffleRoot = "/var/lib/sparkchaos/shuffle"
	// nodeRoot is where workloads whose storage is the nodes' own disks keep what others keep on a shared volume.
	nodeRoot = "/var/lib/sparkchaos/node"
	// syncTimeout is how long the API server may take to list everything once.
	syncTimeout = 30 * time.Second
)

// witnessDirectory is that of one session.
func witnessDirectory(id string) string { return path.Join(witnessRoot, id) }

// shuffleDirectory is that of one session.
func shuffleDirectory(id string) string { return path.Join(shuffleRoot, id) }

// nodeDirectory is that of one session.
func nodeDirectory(id string) string { return path.Join(nodeRoot, id) }

// directories are all those that a session has on each node's own disk.
func directories(id string) []string {
	return []string{witnessDirectory(id), shuffleDirectory(id), nodeDirectory(id)}
}

// recording writes what the API server reports about one namespace into a history.
type recording struct {
	stop context.CancelFunc
	done chan error
}

// startRecording returns once everything has been listed: from then on nothing is missed.
func startRecording(ctx context.Context, recorder *history.Recorder) (*recording, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &recording{stop: stop, done: make(chan error, 1)}
	go func() { r.done <- recorder.Run(running) }()
	synced, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if err := recorder.WaitSynced(synced); err != nil {
		return nil, errors.Join(err, r.end())
	}
	return r, nil
}

// end stops the recording and returns what went wrong with it.
func (r *recording) end() error {
	r.stop()
	return <-r.done
}

// witnessing receives what drivers and executors report, and runs what else components serve to them from this machine.
type witnessing struct {
	directory  string // on each node's own disk
	url        string
	token      string               // which those who report present, and in the cluster also those who read
	server     *witness.Server      // nil if pods do not reach this machine
	provided   []launcher.Provision // by components
	inbox      *witness.Inbox
	heartbeats *heartbeats
	running    context.Context // of the servers and of what follows the witness in the cluster
	stop       context.CancelFunc
	servers    *errgroup.Group
}

// newInbox returns an inbox that puts the records of the witness into the history.
func newInbox(log *history.Writer, heard *heartbeats) *witness.Inbox {
	record := func(r history.WitnessRecord) error {
		if r.Type == history.Heartbeat && r.Via != witness.ViaDisk {
			heard.heard(r.PodUID, time.UnixMicro(r.WallMicros))
		}
		_, err := log.Append(history.Witness, r.Type, &history.Object{Kind: "Pod", Name: r.PodName, UID: r.PodUID}, r)
		return err
	}
	conflict := func(data history.ConflictData) error {
		_, err := log.Append(history.Harness, history.RecordConflict, &history.Object{Kind: "Pod", UID: data.PodUID}, data)
		return err
	}
	return witness.NewInbox(record, witness.WithConflicts(conflict))
}

// strangers returns how many requests were refused because they did not show the token.
func (w *witnessing) strangers() int {
	if w.server == nil {
		return 0
	}
	return w.server.Stats().Strangers
}

// startWitnessing listens at the harness's addresses inside the cluster's network; at none if the workload does not report.
func startWitnessing(
	ctx context.Context, c cluster.Cluster, workload scenario.Workload, components []launcher.Component,
	log *history.Writer, id string, seed uint64, report func(history.ProblemData),
) (*witnessing, error) {
	w := &witnessing{directory: witnessDirectory(id), token: witness.NewToken(), heartbeats: &heartbeats{last: map[string]heartbeat{}}}
	w.inbox = newInbox(log, w.heartbeats)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.running, w.servers = stop, running, &errgroup.Group{}
	if !workload.Witnessed() {
		return w, nil
	}
	listener, err := c.Listen(ctx)
	if host := witnessHost(components); host != nil && errors.Is(err, cluster.ErrUnreachable) {
		w.provided = append(w.provided, host.Witness(id, seed))
		return w, nil
	}
	if err != nil {
		stop()
		return nil, err
	}
	w.server, w.url = witness.NewServer(w.inbox, w.token, report), "http://"+listener.Addr().String()
	w.background(func(ctx context.Context) error { return w.server.Serve(ctx, listener) })
	if err := w.serve(ctx, components, launcher.Serving{Seed: seed, Listen: c.Listen, Background: w.background}); err != nil {
		return nil, errors.Join(err, w.end())
	}
	return w, nil
}

// serve has components serve from this machine what they do.
func (w *witnessing) serve(ctx context.Context, components []launcher.Component, serving launcher.Serving) error {
	for _, component := range components {
		server, ok := component.(launcher.Server)
		if !ok {
			continue
		}
		provision, err := server.Serve(ctx, serving)
		if err != nil {
			return err
		}
		w.provided = append(w.provided, provision)
	}
	return nil
}

// background runs a function whose context ends when the records of the workload are collected.
func (w *witnessing) background(do func(context.Context) error) {
	w.servers.Go(func() error { return do(w.running) })
}

// witnessHost is the component to which pods report if they cannot reach this machine; nil if there is none.
func witnessHost(components []launcher.Component) launcher.WitnessHost {
	for _, component := range components {
		if host, ok := component.(launcher.WitnessHost); ok {
			return host
		}
	}
	return nil
}

// end stops the servers, once; records that were sent but not read yet are on the disks.
func (w *witnessing) end() error {
	w.stop()
	err := w.servers.Wait()
	w.servers = &errgroup.Group{}
	return err
}
