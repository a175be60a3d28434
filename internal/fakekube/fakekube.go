// Package fakekube is a Kubernetes API server in memory, for tests of clients that use client-go. It keeps the rules on
// which clients rely: resource versions and conflicts, watches that continue where they broke, UIDs and preconditions, graceful deletion of
// pods, finalizers, owners, and namespaces that go when they are empty. It has no controllers: a test that needs pods to run, or Jobs
// to make pods, does that itself through the methods of API.
//
// Left out are authentication, authorisation, validation, defaults, discovery of groups, server-side apply and foreground deletion.
package fakekube

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
)

// Options are what a test may decide. The zero value is ready.
type Options struct {
	// Admit may change or refuse an object that is about to be created; nil admits all. It must not call methods of the API.
	Admit func(object *unstructured.Unstructured, dryRun bool) error
	// Logs returns what a pod wrote; nil: nothing. It must not call methods of the API.
	Logs func(namespace, pod string) string
	// Now is the server's clock; nil is time.Now.
	Now func() time.Time
}

// API is a server's state. It is an http.Handler, and its methods do what clients can do, without the way through HTTP. Objects that
// it returns are shared: only copies of them may be changed.
type API struct {
	options Options
	kinds   map[schema.GroupVersionResource]kind

	mu       sync.Mutex
	objects  map[key]*unstructured.Unstructured
	revision int64
	changes  []change
	changed  chan struct{} // closed at the next change
}

// kind is a sort of objects.
type kind struct {
	name       string
	namespaced bool
}

// key names one object.
type key struct {
	resource        schema.GroupVersionResource
	namespace, name string
}

// change is one step in the life of an object.
type change struct {
	revision int64
	resource schema.GroupVersionResource
	before   *unstructured.Unstructured // nil if it was created
	after    *unstructured.Unstructured // nil if it was removed
	last     *unstructured.Unstructured // what a watch tells: after, or the last state with the revision of the removal
}

// New returns a server with the namespaces that every cluster has.
func New(options Options) *API {
	if options.Now == nil {
		options.Now = time.Now
	}
	a := &API{options: options, kinds: kinds(), objects: map[key]*unstructured.Unstructured{}, changed: make(chan struct{})}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem, "kube-node-lease"} {
		namespace := &unstructured.Unstructured{}
		namespace.SetName(name)
		a.birth(Namespaces(), kind{name: "Namespace"}, namespace)
		a.put(key{Namespaces(), "", name}, namespace)
	}
	return a
}

// Clone returns a server with the same objects, which goes its own way from now on. Its watches cannot continue from an earlier version.
func (a *API) Clone(options Options) *API {
	if options.Now == nil {
		options.Now = time.Now
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return &API{options: options, kinds: a.kinds, objects: maps.Clone(a.objects), revision: a.revision, changed: make(chan struct{})}
}

// Changed returns a channel that is closed when anything changes after the call.
func (a *API) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// Get returns an object.
func (a *API) Get(resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.get(key{resource, namespace, name})
}

// List returns the objects of a resource, sorted by namespace and name; an empty namespace stands for all.
func (a *API) List(resource schema.GroupVersionResource, namespace string) []*unstructured.Unstructured {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.list(resource, namespace)
}

// Create makes an object and returns it as it is kept.
func (a *API) Create(resource schema.GroupVersionResource, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return a.create(resource, object, false)
}

// Update changes an object by a function that gets a copy of it, and returns the result. The status is changed in the same way.
func (a *API) Update(
	resource schema.GroupVersionResource, namespace, name string, change func(*unstructured.Unstructured) error,
) (*unstructured.Unstructured, error) {
	return a.update(key{resource, namespace, name}, change, false)
}

// Delete deletes an object as a client does: a pod on a node only begins to end unless the options ask for a grace period of zero.
func (a *API) Delete(resource schema.GroupVersionResource, namespace, name string, options metav1.DeleteOptions) error {
	_, err := a.delete(key{resource, namespace, name}, options)
	return err
}

func (a *API) kindOf(resource schema.GroupVersionResource) (kind, error) {
	k, known := a.kinds[resource]
	if !known {
		return kind{}, notServed(resource.GroupResource(), "get", resource.Resource)
	}
	return k, nil
}

// notServed is the answer to who asks for a resource that is unknown.
func notServed(resource schema.GroupResource, verb, asked string) error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, verb, resource, "", "fakekube does not serve "+asked, 0, true)
}

func (a *API) get(k key) (*unstructured.Unstructured, error) {
	object := a.objects[k]
	if object == nil {
		return nil, apierrors.NewNotFound(k.resource.GroupResource(), k.name)
	}
	return object, nil
}

func (a *API) list(resource schema.GroupVersionResource, namespace string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for k, object := range a.objects {
		if k.resource == resource && (namespace == "" || k.namespace == namespace) {
			found = append(found, object)
		}
	}
	slices.SortFunc(found, func(x, y *unstructured.Unstructured) int {
		return cmp.Or(cmp.Compare(x.GetNamespace(), y.GetNamespace()), cmp.Compare(x.GetName(), y.GetName()))
	})
	return found
}

func (a *API) create(
	resource schema.GroupVersionResource, object *unstructured.Unstructured, dryRun bool,
) (*unstructured.Unstructured, error) {
	kind, err := a.kindOf(resource)
	if err != nil {
		return nil, err
	}
	made := object.DeepCopy()
	if made.GetName() == "" && made.GetGenerateName() != "" {
		made.SetName(made.GetGenerateName() + rand.String(5))
	}
	if made.GetName() == "" {
		return nil, apierrors.NewBadRequest(kind.name + " has no name")
	}
	if kind.namespaced != (made.GetNamespace() != "") {
		return nil, apierrors.NewBadRequest(
			fmt.Sprintf("%s %q has the namespace %q; namespaced: %t", kind.name, made.GetName(), made.GetNamespace(), kind.namespaced))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.mayCreateIn(resource, made); err != nil {
		return nil, err
	}
	k := key{resource, made.GetNamespace(), made.GetName()}
	if a.objects[k] != nil {
		return nil, apierrors.NewAlreadyExists(resource.GroupResource(), k.name)
	}
	if a.options.Admit != nil {
		if err := a.options.Admit(made, dryRun); err != nil {
			return nil, err
		}
	}
	a.birth(resource, kind, made)
	if !dryRun {
		a.put(k, made)
	}
	return made, nil
}

// birth fills in what the server decides of a new object.
func (a *API) birth(resource schema.GroupVersionResource, kind kind, object *unstructured.Unstructured) {
	if object.Object == nil {
		object.Object = map[string]any{}
	}
	object.SetGroupVersionKind(resource.GroupVersion().WithKind(kind.name))
	object.SetUID(uuid.NewUUID())
	object.SetCreationTimestamp(metav1.NewTime(a.options.Now()))
	object.SetDeletionTimestamp(nil)
	switch resource {
	case Namespaces():
		object.Object["status"] = map[string]any{"phase": "Active"}
	case Secrets():
		encodeSecret(object.Object)
	}
}

// encodeSecret puts the values that a client gave as text to the others.
func encodeSecret(secret map[string]any) {
	texts, _ := secret["stringData"].(map[string]any)
	if len(texts) == 0 {
		return
	}
	data, _ := secret["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	for name, text := range texts {
		data[name] = base64.StdEncoding.EncodeToString(fmt.Append(nil, text))
	}
	secret["data"] = data
	delete(secret, "stringData")
}

// mayCreateIn refuses objects of namespaces that are not there, or about to go.
func (a *API) mayCreateIn(resource schema.GroupVersionResource, object *unstructured.Unstructured) error {
	if object.GetNamespace() == "" {
		return nil
	}
	namespace, err := a.get(key{Namespaces(), "", object.GetNamespace()})
	if err != nil {
		return err
	}
	if namespace.GetDeletionTimestamp() != nil {
		why := fmt.Errorf("namespace %s is being terminated", namespace.GetName())
		return apierrors.NewForbidden(resource.GroupResource(), object.GetName(), why)
	}
	return nil
}

func (a *API) update(k key, change func(*unstructured.Unstructured) error, dryRun bool) (*unstructured.Unstructured, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, err := a.get(k)
	if err != nil {
		return nil, err
	}
	after := before.DeepCopy()
	if err := change(after); err != nil {
		return nil, err
	}
	for _, err := range []error{
		a.mustKeep(k, "resourceVersion", before.GetResourceVersion(), after.GetResourceVersion()),
		a.mustKeep(k, "UID", string(before.GetUID()), string(after.GetUID())),
	} {
		if err != nil {
			return nil, err
		}
	}
	after.SetName(k.name)
	after.SetNamespace(k.namespace)
	after.SetUID(before.GetUID())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	after.SetDeletionTimestamp(before.GetDeletionTimestamp())
	after.SetGroupVersionKind(before.GroupVersionKind())
	if dryRun || equality.Semantic.DeepEqual(before.Object, after.Object) { // a change that changes nothing is no event
		return after, nil
	}
	if after.GetDeletionTimestamp() != nil && len(after.GetFinalizers()) == 0 && len(before.GetFinalizers()) > 0 {
		a.remove(k)
		return after, nil
	}
	a.put(k, after)
	return after, nil
}

// mustKeep refuses a change that was made to another version of an object than the one that is kept. What the change does not tell is
// not compared.
func (a *API) mustKeep(k key, what, kept, told string) error {
	if told == "" || told == kept {
		return nil
	}
	return apierrors.NewConflict(k.resource.GroupResource(), k.name, fmt.Errorf("%s is %s, and the request has %s", what, kept, told))
}

// delete returns the object as it is after the request.
func (a *API) delete(k key, options metav1.DeleteOptions) (*unstructured.Unstructured, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	object, err := a.get(k)
	if err != nil {
		return nil, err
	}
	if p := options.Preconditions; p != nil {
		if p.UID != nil && *p.UID != object.GetUID() {
			return nil, a.mustKeep(k, "UID", string(object.GetUID()), string(*p.UID))
		}
		if p.ResourceVersion != nil && *p.ResourceVersion != object.GetResourceVersion() {
			return nil, a.mustKeep(k, "resourceVersion", object.GetResourceVersion(), *p.ResourceVersion)
		}
	}
	if len(options.DryRun) > 0 {
		return object, nil
	}
	grace := graceOf(k, object, options)
	if grace == 0 && len(object.GetFinalizers()) == 0 && k.resource != Namespaces() {
		a.remove(k)
		return object, nil
	}
	if object.GetDeletionTimestamp() == nil {
		ending := object.DeepCopy()
		at := metav1.NewTime(a.options.Now().Add(time.Duration(grace) * time.Second))
		ending.SetDeletionTimestamp(&at)
		ending.SetDeletionGracePeriodSeconds(&grace)
		if k.resource == Namespaces() {
			ending.Object["status"] = map[string]any{"phase": "Terminating"}
		}
		a.put(k, ending)
		object = ending
	}
	if k.resource == Namespaces() {
		a.empty(k.name)
	}
	return object, nil
}

// graceOf returns an object's grace period in seconds: only pods that run somewhere have one.
func graceOf(k key, object *unstructured.Unstructured, options metav1.DeleteOptions) int64 {
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
	if k.resource != Pods() || node == "" || phase == "Succeeded" || phase == "Failed" {
		return 0
	}
	if options.GracePeriodSeconds != nil {
		return *options.GracePeriodSeconds
	}
	const usual = 30
	if grace, found, _ := unstructured.NestedInt64(object.Object, "spec", "terminationGracePeriodSeconds"); found {
		return grace
	}
	return usual
}

// empty begins to delete all that is in a namespace.
func (a *API) empty(namespace string) {
	for k, object := range a.objects {
		if k.namespace == namespace && a.objects[k] != nil && object.GetDeletionTimestamp() == nil {
			a.end(k)
		}
	}
	a.removeIfEmpty(namespace)
}

// end deletes one object on the server's own account.
func (a *API) end(k key) {
	object := a.objects[k]
	grace := graceOf(k, object, metav1.DeleteOptions{})
	if grace == 0 && len(object.GetFinalizers()) == 0 {
		a.remove(k)
		return
	}
	ending := object.DeepCopy()
	at := metav1.NewTime(a.options.Now().Add(time.Duration(grace) * time.Second))
	ending.SetDeletionTimestamp(&at)
	ending.SetDeletionGracePeriodSeconds(&grace)
	a.put(k, ending)
}

func (a *API) removeIfEmpty(namespace string) {
	k := key{Namespaces(), "", namespace}
	object := a.objects[k]
	if object == nil || object.GetDeletionTimestamp() == nil {
		return
	}
	for other := range a.objects {
		if other.namespace == namespace {
			return
		}
	}
	a.remove(k)
}

// put keeps a new state of an object and tells it to the watches.
func (a *API) put(k key, object *unstructured.Unstructured) {
	a.revision++
	object.SetResourceVersion(strconv.FormatInt(a.revision, 10))
	before := a.objects[k]
	a.objects[k] = object
	a.tell(change{revision: a.revision, resource: k.resource, before: before, after: object, last: object})
}

// remove forgets an object, all that it owned, and its namespace if that has waited for it.
func (a *API) remove(k key) {
	a.revision++
	before := a.objects[k]
	last := before.DeepCopy()
	last.SetResourceVersion(strconv.FormatInt(a.revision, 10))
	delete(a.objects, k)
	a.tell(change{revision: a.revision, resource: k.resource, before: before, last: last})
	a.removeOwned(before.GetUID())
	if k.namespace != "" {
		a.removeIfEmpty(k.namespace)
	}
}

func (a *API) removeOwned(uid types.UID) {
	owned := func(o metav1.OwnerReference) bool { return o.UID == uid }
	for k, object := range a.objects {
		if a.objects[k] != nil && object.GetDeletionTimestamp() == nil && slices.ContainsFunc(object.GetOwnerReferences(), owned) {
			a.end(k)
		}
	}
}

func (a *API) tell(c change) {
	a.changes = append(a.changes, c)
	close(a.changed)
	a.changed = make(chan struct{})
}

// since returns what changed after a revision, and the channel that is closed when more does; expired: it is not known any more.
func (a *API) since(revision int64) (changes []change, more <-chan struct{}, expired bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	forgotten := a.revision - int64(len(a.changes))
	if revision < forgotten || revision > a.revision {
		return nil, nil, true
	}
	return a.changes[revision-forgotten:], a.changed, false
}

// Forget lets all watches expire that continue from now or earlier, as a server does with what is older than some minutes.
func (a *API) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revision++ // even who knows the latest revision has to list again
	a.changes = nil
}

// eventOf returns how a watch with a selection tells a change; false if it does not.
func (c change) eventOf(selected func(*unstructured.Unstructured) bool) (watch.EventType, bool) {
	was, is := c.before != nil && selected(c.before), c.after != nil && selected(c.after)
	switch {
	case is && was:
		return watch.Modified, true
	case is:
		return watch.Added, true
	case was:
		return watch.Deleted, true
	default:
		return "", false
	}
}
