package image

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/child"
)

const (
	rehearsalNamespace = "training"
	rehearsalDriver    = "driver"
	rehearsalAddress   = "127.0.0.1"
)

// rehearsal answers what Spark's driver asks of an API server, and runs each executor pod as a process of this machine. Training
// needs it, since a driver loads a third of its classes only for talking to Kubernetes, and an image is built before there
// is a cluster.
type rehearsal struct {
	url         string
	certificate []byte // PEM, by which a client knows the server

	start    func(ctx context.Context, environ []string) *exec.Cmd
	ctx      context.Context // of the executors: they outlive the request that made them
	server   *http.Server
	mu       sync.Mutex
	pods     map[string]*corev1.Pod
	watchers map[chan metav1.WatchEvent]bool
	running  sync.WaitGroup
}

// newRehearsal starts the server. start makes the command of an executor.
func newRehearsal(ctx context.Context, start func(context.Context, []string) *exec.Cmd) (*rehearsal, error) {
	identity, certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(rehearsalAddress, "0"), &tls.Config{
		Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return nil, err
	}
	r := &rehearsal{
		url: "https://" + listener.Addr().String(), certificate: certificate, start: start, ctx: ctx,
		pods: map[string]*corev1.Pod{}, watchers: map[chan metav1.WatchEvent]bool{},
	}
	r.pods[rehearsalDriver] = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: rehearsalDriver, Namespace: rehearsalNamespace, UID: "driver"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: rehearsalAddress},
	}
	r.server = &http.Server{Handler: r.handler(), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	r.running.Go(func() { _ = r.server.Serve(listener) })
	return r, nil
}

// close ends the server; the executors end with the context.
func (r *rehearsal) close() error {
	err := r.server.Close()
	r.running.Wait()
	return err
}

func (r *rehearsal) handler() http.Handler {
	pods := "/api/v1/namespaces/" + rehearsalNamespace + "/pods"
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pods, r.create)
	mux.HandleFunc("GET "+pods, r.listOrWatch)
	mux.HandleFunc("GET "+pods+"/{name}", r.get)
	mux.HandleFunc("PATCH "+pods+"/{name}", r.get)
	mux.HandleFunc("DELETE "+pods+"/{name}", r.get)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []k8sruntime.RawExtension{}})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess})
	})
	return mux
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (r *rehearsal) get(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pod, ok := r.pods[req.PathValue("name")]
	if !ok {
		answer(w, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
		return
	}
	answer(w, http.StatusOK, typed(pod))
}

func typed(pod *corev1.Pod) *corev1.Pod {
	p := pod.DeepCopy()
	p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return p
}

func (r *rehearsal) create(w http.ResponseWriter, req *http.Request) {
	var pod corev1.Pod
	if err := json.NewDecoder(req.Body).Decode(&pod); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod.Namespace, pod.UID = rehearsalNamespace, types.UID(pod.Name)
	pod.CreationTimestamp = metav1.Now()
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
	r.store("ADDED", &pod)
	r.running.Go(func() { r.live(pod.DeepCopy()) })
	answer(w, http.StatusCreated, typed(&pod))
}

// live is the life of an executor.
func (r *rehearsal) live(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: rehearsalAddress}
	cmd := r.start(r.ctx, podEnvironment(pod))
	wait, err := child.Start(cmd)
	if err == nil {
		r.store("MODIFIED", pod)
		err = wait()
	}
	ended := pod.DeepCopy()
	ended.Status.Phase = corev1.PodSucceeded
	if err != nil {
		ended.Status.Phase, ended.Status.Message = corev1.PodFailed, err.Error()
	}
	r.store("MODIFIED", ended)
}

// podEnvironment returns the variables of the pod's container as kubelet would set them.
func podEnvironment(pod *corev1.Pod) []string {
	var environ []string
	for _, c := range pod.Spec.Containers {
		for _, v := range c.Env {
			value := v.Value
			if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil {
				value = map[string]string{"status.podIP": pod.Status.PodIP, "metadata.name": pod.Name}[v.ValueFrom.FieldRef.FieldPath]
			}
			environ = append(environ, v.Name+"="+value)
		}
	}
	return environ
}

// store keeps the pod and tells those who watch.
func (r *rehearsal) store(event string, pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods[pod.Name] = pod
	data, err := json.Marshal(typed(pod))
	if err != nil {
		return
	}
	for w := range r.watchers {
		select {
		case w <- metav1.WatchEvent{Type: event, Object: k8sruntime.RawExtension{Raw: data}}:
		default: // a watcher that does not read misses it and finds it in its next list
		}
	}
}

func (r *rehearsal) listOrWatch(w http.ResponseWriter, req *http.Request) {
	if req.URL.Query().Get("watch") == "true" {
		r.watch(w, req)
		return
	}
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, pod := range r.pods {
		if name != rehearsalDriver {
			list.Items = append(list.Items, *pod)
		}
	}
	answer(w, http.StatusOK, list)
}

// watch sends events by a web socket, as Spark's client likes it best.
func (r *rehearsal) watch(w http.ResponseWriter, req *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // the upgrader has answered
	}
	events := make(chan metav1.WatchEvent, 64)
	r.mu.Lock()
	r.watchers[events] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.watchers, events)
		r.mu.Unlock()
		_ = conn.Close()
	}()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
	}()
	for {
		select {
		case e := <-events:
			if conn.WriteJSON(e) != nil {
				return
			}
		case <-gone:
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// selfSigned makes a server's identity for this machine's loopback address, and its certificate in PEM.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "training"}, NotBefore: now.Add(-time.Hour),
		NotAfter:    now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(rehearsalAddress)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
