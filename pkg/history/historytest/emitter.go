package historytest

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Emitter keeps events as a history does, and can refuse those of one type.
type Emitter struct {
	mu     sync.Mutex
	Events []history.Event
	Refuse string // the type
	Err    error  // of a refusal
}

// Append keeps an event, under the next number, or refuses it.
func (e *Emitter) Append(source history.Source, eventType string, object *history.Object, data any) (history.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if eventType == e.Refuse {
		return history.Event{}, e.Err
	}
	encoded, err := json.Marshal(data)
	event := history.Event{Seq: int64(len(e.Events) + 1), Source: source, Type: eventType, Object: object, Data: encoded}
	e.Events = append(e.Events, event)
	return event, err
}

// Types returns the types of the events.
func (e *Emitter) Types() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var types []string
	for _, event := range e.Events {
		types = append(types, event.Type)
	}
	return types
}

// Data returns the data of the first event of a type.
func (e *Emitter) Data(t *testing.T, eventType string) history.FaultData {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.Events {
		if event.Type != eventType {
			continue
		}
		var data history.FaultData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			t.Fatalf("data of %s: %v", eventType, err)
		}
		return data
	}
	t.Fatalf("no event %s", eventType)
	return history.FaultData{}
}
