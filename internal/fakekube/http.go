package fakekube

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Serve answers by TLS until the test ends and returns how to reach the server. The handler is an API, or one that is put before it.
// All servers have the same certificate. Clients of the config speak JSON, the only language of the server, and are not slowed down.
func Serve(t testing.TB, handler http.Handler) *rest.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that go in the middle of something
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections() // watches continue else
		server.Close()
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &rest.Config{
		Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
}

// request is what a path and a query ask for.
type request struct {
	key
	subresource string
	dryRun      bool
	http        *http.Request
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if found := a.discover(r); found != nil {
		write(w, http.StatusOK, found)
		return
	}
	asked, err := a.parse(r)
	if err != nil {
		answerError(w, err)
		return
	}
	if asked.subresource == "log" {
		a.answerLog(w, asked)
		return
	}
	if r.Method == http.MethodGet && asked.name == "" {
		a.answerCollection(w, asked)
		return
	}
	answer, err := a.do(asked)
	if err != nil {
		answerError(w, err)
		return
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	write(w, status, answer)
}

// discover answers which kinds a group and version have: /api/VERSION and /apis/GROUP/VERSION; nil if it has none, or something else is
// asked.
func (a *API) discover(r *http.Request) *metav1.APIResourceList {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group schema.GroupVersion
	switch {
	case len(parts) == 2 && parts[0] == "api":
		group = schema.GroupVersion{Version: parts[1]}
	case len(parts) == 3 && parts[0] == "apis":
		group = schema.GroupVersion{Group: parts[1], Version: parts[2]}
	default:
		return nil
	}
	list := &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: group.String(),
	}
	for resource, kind := range a.kinds {
		if resource.GroupVersion() == group {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: resource.Resource, Kind: kind.name, Namespaced: kind.namespaced})
		}
	}
	if len(list.APIResources) == 0 {
		return nil
	}
	return list
}

// parse understands /api/VERSION/… and /apis/GROUP/VERSION/…, with [namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]].
func (a *API) parse(r *http.Request) (request, error) {
	asked := request{http: r, dryRun: r.URL.Query().Get("dryRun") == metav1.DryRunAll}
	unknown := notServed(schema.GroupResource{}, r.Method, r.URL.Path)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group schema.GroupVersion
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		group, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		group, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		return asked, unknown
	}
	if len(parts) >= 3 && parts[0] == "namespaces" && a.kinds[group.WithResource(parts[2])].namespaced {
		asked.namespace, parts = parts[1], parts[2:]
	}
	asked.resource = group.WithResource(parts[0])
	if _, known := a.kinds[asked.resource]; !known || len(parts) > 3 {
		return asked, unknown
	}
	if len(parts) > 1 {
		asked.name = parts[1]
	}
	if len(parts) > 2 {
		asked.subresource = parts[2]
	}
	return asked, nil
}

// do carries out what is asked of one object, or of a collection that changes.
func (a *API) do(asked request) (any, error) {
	switch asked.http.Method {
	case http.MethodGet:
		return a.Get(asked.resource, asked.namespace, asked.name)
	case http.MethodPost:
		return a.doPost(asked)
	case http.MethodPut:
		return a.doPut(asked)
	case http.MethodPatch:
		return a.doPatch(asked)
	case http.MethodDelete:
		return a.doDelete(asked)
	default:
		return nil, apierrors.NewMethodNotSupported(asked.resource.GroupResource(), asked.http.Method)
	}
}

func (a *API) doPost(asked request) (any, error) {
	object, err := asked.object()
	if err != nil {
		return nil, err
	}
	switch asked.subresource {
	case "":
		if object.GetNamespace() == "" {
			object.SetNamespace(asked.namespace)
		}
		if object.GetNamespace() != asked.namespace {
			return nil, apierrors.NewBadRequest(
				fmt.Sprintf("the object's namespace is %q, and the path's %q", object.GetNamespace(), asked.namespace))
		}
		return a.create(asked.resource, object, asked.dryRun)
	case "eviction":
		var options struct {
			DeleteOptions metav1.DeleteOptions `json:"deleteOptions"`
		}
		encoded, err := object.MarshalJSON()
		if err == nil {
			err = json.Unmarshal(encoded, &options)
		}
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		_, err = a.delete(asked.key, options.DeleteOptions)
		return success(), err
	default:
		return nil, apierrors.NewMethodNotSupported(asked.resource.GroupResource(), "create "+asked.subresource)
	}
}

func (a *API) doPut(asked request) (any, error) {
	object, err := asked.object()
	if err != nil {
		return nil, err
	}
	return a.update(asked.key, func(kept *unstructured.Unstructured) error {
		asked.replace(kept, object)
		return nil
	}, asked.dryRun)
}

// replace takes over the status alone, or all but the status, as the path wants it. Kinds that have no status are replaced as a whole.
func (asked request) replace(kept, object *unstructured.Unstructured) {
	const status = "status"
	if asked.subresource == status {
		kept.Object[status] = object.Object[status]
		kept.SetResourceVersion(object.GetResourceVersion())
		return
	}
	was, had := kept.Object[status]
	kept.Object = object.DeepCopy().Object
	if delete(kept.Object, status); had {
		kept.Object[status] = was
	}
}

func (a *API) doPatch(asked request) (any, error) {
	patch, err := io.ReadAll(asked.http.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return a.update(asked.key, func(kept *unstructured.Unstructured) error {
		patched, err := asked.patched(kept, patch)
		if err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
		asked.replace(kept, patched)
		return nil
	}, asked.dryRun)
}

// patched returns the object with a patch of one of the two kinds that merge.
func (asked request) patched(kept *unstructured.Unstructured, patch []byte) (*unstructured.Unstructured, error) {
	var change map[string]any
	if err := json.Unmarshal(patch, &change); err != nil {
		return nil, fmt.Errorf("the patch: %w", err)
	}
	original, err := kept.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var result []byte
	switch kind := types.PatchType(asked.http.Header.Get("Content-Type")); kind {
	case types.MergePatchType:
		var fields map[string]any
		if err = json.Unmarshal(original, &fields); err == nil {
			result, err = json.Marshal(merged(fields, change))
		}
	case types.StrategicMergePatchType:
		typed, unknown := scheme.Scheme.New(kept.GroupVersionKind())
		if unknown != nil {
			return nil, unknown
		}
		result, err = strategicpatch.StrategicMergePatch(original, patch, typed)
	default:
		return nil, fmt.Errorf("fakekube does not know patches of type %q", kind)
	}
	if err != nil {
		return nil, err
	}
	patched := &unstructured.Unstructured{}
	return patched, patched.UnmarshalJSON(result)
}

// merged is RFC 7386.
func merged(fields, patch map[string]any) map[string]any {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(fields, name)
		case isObject:
			before, _ := fields[name].(map[string]any)
			if before == nil {
				before = map[string]any{}
			}
			fields[name] = merged(before, inner)
		default:
			fields[name] = value
		}
	}
	return fields
}

func (a *API) doDelete(asked request) (any, error) {
	var options metav1.DeleteOptions
	if err := json.NewDecoder(asked.http.Body).Decode(&options); err != nil && !errors.Is(err, io.EOF) {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if asked.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	if asked.name != "" {
		return a.delete(asked.key, options)
	}
	selected, err := asked.selection()
	if err != nil {
		return nil, err
	}
	for _, object := range a.List(asked.resource, asked.namespace) {
		if !selected(object) {
			continue
		}
		_, err := a.delete(key{asked.resource, object.GetNamespace(), object.GetName()}, options)
		if err != nil && !apierrors.IsNotFound(err) { // it went meanwhile
			return nil, err
		}
	}
	return success(), nil
}

func (asked request) object() (*unstructured.Unstructured, error) {
	body, err := io.ReadAll(asked.http.Body)
	object := &unstructured.Unstructured{}
	if err == nil {
		err = object.UnmarshalJSON(body)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return object, nil
}

// selection reads the selectors of labels and fields. Of fields there are metadata.name, metadata.namespace and spec.nodeName.
func (asked request) selection() (func(*unstructured.Unstructured) bool, error) {
	query := asked.http.URL.Query()
	byLabel, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	byField, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return func(object *unstructured.Unstructured) bool {
		node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
		known := fields.Set{"metadata.name": object.GetName(), "metadata.namespace": object.GetNamespace(), "spec.nodeName": node}
		inNamespace := asked.namespace == "" || object.GetNamespace() == asked.namespace
		return inNamespace && byLabel.Matches(labels.Set(object.GetLabels())) && byField.Matches(known)
	}, nil
}

// answerCollection lists or watches.
func (a *API) answerCollection(w http.ResponseWriter, asked request) {
	selected, err := asked.selection()
	if err != nil {
		answerError(w, err)
		return
	}
	if asked.http.URL.Query().Get("watch") != "" {
		a.watch(w, asked, selected)
		return
	}
	objects, revision := a.snapshot(asked, selected)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(asked.resource.GroupVersion().WithKind(a.kinds[asked.resource].name + "List"))
	list.SetResourceVersion(strconv.FormatInt(revision, 10))
	for _, object := range objects {
		list.Items = append(list.Items, *object)
	}
	write(w, http.StatusOK, list)
}

// snapshot returns the objects that are selected, and the revision at which they were so.
func (a *API) snapshot(asked request, selected func(*unstructured.Unstructured) bool) ([]*unstructured.Unstructured, int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []*unstructured.Unstructured
	for _, object := range a.list(asked.resource, asked.namespace) {
		if selected(object) {
			found = append(found, object)
		}
	}
	return found, a.revision
}

// watch tells changes until the client goes. Without a resource version it begins with all that there is.
func (a *API) watch(w http.ResponseWriter, asked request, selected func(*unstructured.Unstructured) bool) {
	w.Header().Set("Content-Type", "application/json")
	out := watcher{to: w, encoder: json.NewEncoder(w)}
	revision, err := strconv.ParseInt(asked.http.URL.Query().Get("resourceVersion"), 10, 64)
	if err != nil || revision == 0 {
		var objects []*unstructured.Unstructured
		objects, revision = a.snapshot(asked, selected)
		for _, object := range objects {
			out.send(watch.Added, object)
		}
	}
	out.flush()
	for {
		changes, more, expired := a.since(revision)
		if expired {
			out.send(watch.Error, statusOf(apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", revision))))
			out.flush()
			return
		}
		for _, c := range changes {
			revision = c.revision
			if eventType, tell := c.eventOf(selected); tell && c.resource == asked.resource {
				out.send(eventType, c.last)
			}
		}
		out.flush()
		select {
		case <-asked.http.Context().Done():
			return
		case <-more:
		}
	}
}

// watcher writes the events of one watch. What cannot be written is for a client that is gone.
type watcher struct {
	to      http.ResponseWriter
	encoder *json.Encoder
}

func (w watcher) send(eventType watch.EventType, object any) {
	_ = w.encoder.Encode(map[string]any{"type": eventType, "object": object})
}

func (w watcher) flush() {
	_ = http.NewResponseController(w.to).Flush()
}

func (a *API) answerLog(w http.ResponseWriter, asked request) {
	if _, err := a.Get(asked.resource, asked.namespace, asked.name); err != nil {
		answerError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	if a.options.Logs != nil {
		_, _ = io.WriteString(w, a.options.Logs(asked.namespace, asked.name)) // the client may be gone
	}
}

func success() metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}
}

func answerError(w http.ResponseWriter, err error) {
	status := statusOf(err)
	write(w, int(status.Code), status)
}

// statusOf is an error as it is sent.
func statusOf(err error) metav1.Status {
	var told apierrors.APIStatus
	if !errors.As(err, &told) {
		told = apierrors.NewInternalError(err)
	}
	status := told.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	return status
}

func write(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}
