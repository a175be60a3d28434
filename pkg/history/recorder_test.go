package history

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// fakeAPI serves one kind: lists in turn, watches in turn, and keeps which versions were asked for.
type fakeAPI struct {
	dynamic.ResourceInterface
	lists   []func() (*unstructured.UnstructuredList, error)
	watches []func() (watch.Interface, error)
	asked   []string
}

func (a *fakeAPI) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	if len(a.lists) == 0 {
		return nil, errors.New("unexpected list")
	}
	next := a.lists[0]
	a.lists = a.lists[1:]
	return next()
}

func (a *fakeAPI) Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	a.asked = append(a.asked, options.ResourceVersion)
	if !options.AllowWatchBookmarks {
		return nil, errors.New("bookmarks were not asked for")
	}
	if len(a.watches) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	next := a.watches[0]
	a.watches = a.watches[1:]
	return next()
}

func object(uid, version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{
			"name": "pod-" + uid, "namespace": "ns", "uid": uid, "resourceVersion": version,
			"managedFields": []any{map[string]any{"manager": "kubelet"}},
		},
	}}
}

func listOf(version string, items ...*unstructured.Unstructured) func() (*unstructured.UnstructuredList, error) {
	return func() (*unstructured.UnstructuredList, error) {
		list := &unstructured.UnstructuredList{Object: map[string]any{"metadata": map[string]any{"resourceVersion": version}}}
		for _, item := range items {
			list.Items = append(list.Items, *item)
		}
		return list, nil
	}
}

// stream is a watch that sends events and breaks; hold keeps it open instead.
func stream(hold bool, events ...watch.Event) func() (watch.Interface, error) {
	return func() (watch.Interface, error) {
		w := watch.NewFakeWithChanSize(len(events), false)
		for _, event := range events {
			w.Action(event.Type, event.Object)
		}
		if !hold {
			w.Stop()
		}
		return w, nil
	}
}

// idle is a watch that says nothing for a while and then breaks, as at the end of its time.
func idle(after time.Duration) func() (watch.Interface, error) {
	return func() (watch.Interface, error) {
		w := watch.NewFakeWithChanSize(0, false)
		time.AfterFunc(after, w.Stop)
		return w, nil
	}
}

func expired() watch.Event {
	status := apierrors.NewResourceExpired("too old resource version").Status()
	return watch.Event{Type: watch.Error, Object: &status}
}

// record runs a follower for 10.5 seconds of a test's own time and returns the history, one line an event.
func record(t *testing.T, api *fakeAPI, backoff time.Duration) []string {
	t.Helper()
	file := &fakeFile{}
	synctest.Test(t, func(t *testing.T) {
		log := NewWriter(file, SystemClock{})
		f := &follower{
			kind: kind{name: "Pod", namespace: "ns"}, objects: api, log: log, known: map[string]known{},
			backoff: wait.Backoff{Duration: backoff}, report: func(error) {},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10500*time.Millisecond)
		defer cancel()
		if err := f.run(ctx); err != nil {
			t.Errorf("run = %v", err)
		}
	})
	return outline(t, file.content)
}

// outline gives each event as "type uid@version" or "gap duration reason".
func outline(t *testing.T, content []byte) []string {
	t.Helper()
	if bytes.Contains(content, []byte("managedFields")) {
		t.Error("managedFields were recorded")
	}
	var all []string
	for event, err := range NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Type == Gap || event.Type == Outage {
			var gap GapData
			if err := json.Unmarshal(event.Data, &gap); err != nil {
				t.Fatal(err)
			}
			all = append(all, event.Type+" "+gap.For.String()+" "+gap.Reason)
			continue
		}
		var data unstructured.Unstructured
		if err := json.Unmarshal(event.Data, &data.Object); err != nil {
			t.Fatal(err)
		}
		if event.Object.UID != string(data.GetUID()) || event.Object.Kind != "Pod" || event.Object.Namespace != "ns" ||
			event.Object.Name != data.GetName() {
			t.Errorf("event %d says it is about %+v, its data is %v", event.Seq, event.Object, data.Object)
		}
		all = append(all, event.Type+" "+event.Object.UID+"@"+data.GetResourceVersion())
	}
	return all
}

func TestFollower(t *testing.T) {
	t.Parallel()
	down := func() (watch.Interface, error) { return nil, errors.New("connection refused") }
	// As servers before 1.17 say that a version has expired.
	gone := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusGone, Reason: metav1.StatusReasonGone}}
	bookmark := watch.Event{Type: watch.Bookmark, Object: object("", "40")}
	tests := []struct {
		name    string
		api     *fakeAPI
		backoff time.Duration // 1 s if zero
		want    []string
		asked   []string
	}{
		{
			name: "list, then changes",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10", object("a", "5"))},
				watches: []func() (watch.Interface, error){stream(true,
					watch.Event{Type: watch.Added, Object: object("b", "11")},
					watch.Event{Type: watch.Modified, Object: object("a", "12")},
					watch.Event{Type: watch.Deleted, Object: object("b", "13")})},
			},
			want:  []string{"added a@5", "added b@11", "modified a@12", "deleted b@13"},
			asked: []string{"10"},
		},
		{
			name: "a broken watch is resumed after the last event or bookmark, without a gap",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10")},
				watches: []func() (watch.Interface, error){
					stream(false, watch.Event{Type: watch.Added, Object: object("a", "11")}), down, down,
					stream(false, bookmark),
					stream(true, watch.Event{Type: watch.Modified, Object: object("a", "41")}),
				},
			},
			want: []string{
				"added a@11", "outage 3s the watch broke and was resumed: watching Pod in ns: connection refused",
				"outage 1s the watch broke and was resumed", "modified a@41",
			},
			asked: []string{"10", "11", "11", "11", "40"},
		},
		{
			name: "an idle watch whose time is up is resumed at once: no outage but the back-off's",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10")},
				watches: []func() (watch.Interface, error){idle(4 * time.Second),
					stream(true, watch.Event{Type: watch.Added, Object: object("a", "11")})},
			},
			backoff: 900 * time.Millisecond,
			want:    []string{"added a@11"},
			asked:   []string{"10", "10"},
		},
		{
			name: "a watch without events is resumed once it has been open for a while",
			api: &fakeAPI{
				lists:   []func() (*unstructured.UnstructuredList, error){listOf("10")},
				watches: []func() (watch.Interface, error){idle(4 * time.Second), down, down, stream(true)},
			},
			want:  []string{"outage 3s the watch broke and was resumed: watching Pod in ns: connection refused"},
			asked: []string{"10", "10", "10", "10"},
		},
		{
			name: "an expired version after an outage is a gap that began where the watch broke, and no outage",
			api: &fakeAPI{
				lists:   []func() (*unstructured.UnstructuredList, error){listOf("10"), listOf("20")},
				watches: []func() (watch.Interface, error){idle(4 * time.Second), down, stream(true, expired()), stream(true)},
			},
			want:  []string{"gap 3s the watch broke and could not be resumed: the resource version has expired"},
			asked: []string{"10", "10", "10", "20"},
		},
		{
			name: "a watch that was open for long before its version expired lost nothing until then",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10"), listOf("20")},
				watches: []func() (watch.Interface, error){func() (watch.Interface, error) {
					w := watch.NewFakeWithChanSize(0, false)
					time.AfterFunc(4*time.Second, func() { w.Error(expired().Object) })
					return w, nil
				}, stream(true)},
			},
			want:  []string{"gap 1s the watch broke and could not be resumed: the resource version has expired"},
			asked: []string{"10", "20"},
		},
		{
			name: "a server that lets watches be opened and breaks them at once is not seen",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10")},
				watches: []func() (watch.Interface, error){
					idle(4 * time.Second), stream(false), stream(false),
					stream(true, watch.Event{Type: watch.Added, Object: object("a", "11")}),
				},
			},
			want:  []string{"outage 3s the watch broke and was resumed", "added a@11"},
			asked: []string{"10", "10", "10", "10"},
		},
		{
			name: "a watch that was opened only just before the end is not known to have been resumed",
			api: &fakeAPI{
				lists:   []func() (*unstructured.UnstructuredList, error){listOf("10")},
				watches: []func() (watch.Interface, error){idle(4200 * time.Millisecond), down, down, down, down, down, stream(true)},
			},
			want:  []string{"gap 6.3s nothing was seen until the end of the record: the watch broke and was only just opened again"},
			asked: []string{"10", "10", "10", "10", "10", "10", "10"},
		},
		{
			name: "an expired watch is listed again: a gap and the differences",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){
					listOf("10", object("same", "1"), object("changed", "2"), object("gone", "3"), object("also-gone", "4")),
					func() (*unstructured.UnstructuredList, error) { return nil, errors.New("connection refused") },
					listOf("90", object("same", "1"), object("changed", "80"), object("new", "81")),
				},
				watches: []func() (watch.Interface, error){
					stream(false), stream(true, expired()),
					stream(true, watch.Event{Type: watch.Deleted, Object: object("new", "91")}),
				},
			},
			want: []string{
				"added same@1", "added changed@2", "added gone@3", "added also-gone@4",
				"gap 3s the watch broke and could not be resumed: the resource version has expired",
				"modified changed@80", "added new@81", "deleted also-gone@4", "deleted gone@3", "deleted new@91",
			},
			asked: []string{"10", "10", "90"},
		},
		{
			name: "refused with 410 when the watch is opened",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10"), listOf("20", object("a", "15"))},
				watches: []func() (watch.Interface, error){
					func() (watch.Interface, error) { return nil, gone }, stream(true),
				},
			},
			want:  []string{"gap 1s the watch broke and could not be resumed: the resource version has expired", "added a@15"},
			asked: []string{"10", "20"},
		},
		{
			name: "nothing could be seen until the end",
			api: &fakeAPI{
				lists: []func() (*unstructured.UnstructuredList, error){listOf("10", object("a", "5"))},
				watches: []func() (watch.Interface, error){
					stream(false), down, down, down, down, down, down, down, down, down, down, down,
				},
			},
			want:  []string{"added a@5", "gap 10.5s nothing was seen until the end of the record: watching Pod in ns: connection refused"},
			asked: []string{"10", "10", "10", "10", "10", "10", "10", "10", "10", "10", "10"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := record(t, tt.api, stdcmp.Or(tt.backoff, time.Second))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.asked, tt.api.asked); diff != "" {
				t.Errorf("versions that watches began at (-want +got):\n%s", diff)
			}
		})
	}
}

// A connection that is dead without a sign breaks only later. That nothing was heard on any watch says since when.
func TestFollowerOfASilentServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		heard time.Duration // after the begin, on another watch
		want  []string
	}{
		{"nothing was heard for long", 5 * time.Second, []string{"outage 36s the watch broke and was resumed", "added a@11"}},
		{"another watch was heard all the time", 35 * time.Second, []string{"added a@11"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := &fakeFile{}
			synctest.Test(t, func(t *testing.T) {
				f := &follower{
					kind: kind{name: "Pod", namespace: "ns"}, log: NewWriter(file, SystemClock{}), known: map[string]known{},
					backoff: wait.Backoff{Duration: 900 * time.Millisecond}, report: func(error) {}, heard: &heard{},
					objects: &fakeAPI{
						lists: []func() (*unstructured.UnstructuredList, error){listOf("10")},
						watches: []func() (watch.Interface, error){idle(40100 * time.Millisecond),
							stream(true, watch.Event{Type: watch.Added, Object: object("a", "11")})},
					},
				}
				f.heard.note(time.Now())
				time.AfterFunc(tt.heard, func() { f.heard.note(time.Now()) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := f.run(ctx); err != nil {
					t.Errorf("run = %v", err)
				}
			})
			if diff := cmp.Diff(tt.want, outline(t, file.content)); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFollowerEndsWhenHistoryCannotBeWritten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		log  func() *Writer
		want error
	}{
		{"disk full", func() *Writer { return NewWriter(&fakeFile{limit: 1}, SystemClock{}) }, errFull},
		{"closed", func() *Writer {
			w := NewWriter(&fakeFile{}, SystemClock{})
			_ = w.Close()
			return w
		}, ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &follower{
				kind: kind{name: "Pod"}, log: tt.log(), known: map[string]known{}, report: func(error) {},
				objects: &fakeAPI{lists: []func() (*unstructured.UnstructuredList, error){listOf("10", object("a", "5"))}},
			}
			if err := f.run(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("run = %v, want %v", err, tt.want)
			}
		})
	}
}

// fakeCluster is a dynamic client whose kinds are empty, but for those that it refuses.
type fakeCluster struct {
	dynamic.Interface
	refuse string
}

type fakeKind struct {
	dynamic.NamespaceableResourceInterface
	api dynamic.ResourceInterface
}

func (k fakeKind) Namespace(string) dynamic.ResourceInterface { return k.api }

func (c fakeCluster) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	list := listOf("1")
	if resource.Resource == c.refuse {
		list = func() (*unstructured.UnstructuredList, error) {
			return nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusForbidden, Message: "forbidden to the harness"}}
		}
	}
	lists := make([]func() (*unstructured.UnstructuredList, error), 20)
	for i := range lists {
		lists[i] = list
	}
	return fakeKind{api: &fakeAPI{lists: lists}}
}

func TestRecorderSyncs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, refuse string
		want         []string
	}{
		{name: "all kinds"},
		{name: "a kind is refused", refuse: "leases", want: []string{"Lease in kube-node-lease", "Lease in ns", "forbidden to the harness"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := NewRecorder(fakeCluster{refuse: tt.refuse}, NewWriter(&fakeFile{}, SystemClock{}), "ns")
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				done := make(chan error)
				go func() { done <- r.Run(t.Context()) }()
				err := r.WaitSynced(ctx)
				if (err == nil) != (len(tt.want) == 0) {
					t.Fatalf("WaitSynced = %v, want mention of %q", err, tt.want)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("WaitSynced = %v, want mention of %q", err, want)
					}
				}
				go func() { <-done }()
			})
		})
	}
}

// TestAnObjectThatIsTooLargeKeepsNoOtherFromBeingRecorded also has one listing and one watch do: what was refused is not asked for again.
func TestAnObjectThatIsTooLargeKeepsNoOtherFromBeingRecorded(t *testing.T) {
	t.Parallel()
	large := object("large", "2")
	large.SetAnnotations(map[string]string{"note": strings.Repeat("x", maxLine)})
	api := &fakeAPI{
		lists: []func() (*unstructured.UnstructuredList, error){listOf("1")},
		watches: []func() (watch.Interface, error){stream(true,
			watch.Event{Type: watch.Added, Object: large}, watch.Event{Type: watch.Added, Object: object("small", "3")})},
	}
	file := &fakeFile{}
	synctest.Test(t, func(t *testing.T) {
		log := NewWriter(file, SystemClock{})
		f := &follower{
			kind: kind{name: "Pod", namespace: "ns"}, objects: api, log: log, known: map[string]known{},
			backoff: wait.Backoff{Duration: time.Second}, report: func(error) {},
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.run(ctx); err != nil {
			t.Errorf("run = %v", err)
		}
	})
	var got []string
	for event, err := range NewReader(bytes.NewReader(file.content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		if event.Object != nil {
			name = event.Object.Name
		}
		got = append(got, event.Type+" "+name)
	}
	if diff := cmp.Diff([]string{"problem ", "added pod-small"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1"}, api.asked); diff != "" {
		t.Errorf("versions that were watched from (-want +got):\n%s", diff)
	}
}
