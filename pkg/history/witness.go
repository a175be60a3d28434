package history

import (
	"encoding/json"
	"fmt"
)

// WitnessDecoder decodes the data of events of source Witness. Heartbeats are most of a history, so records of the
// usual shape are scanned by hand; all others go to encoding/json, with the same meaning. The zero value is ready;
// one goroutine may use it at a time.
type WitnessDecoder struct {
	names interner
}

// Decode reads data into record, which is overwritten.
func (d *WitnessDecoder) Decode(data []byte, record *WitnessRecord) error {
	*record = WitnessRecord{}
	if d.fast(data, record) {
		return nil
	}
	*record = WitnessRecord{}
	if err := json.Unmarshal(data, record); err != nil {
		return fmt.Errorf("decoding a witness record: %w", err)
	}
	return nil
}

func (d *WitnessDecoder) fast(data []byte, record *WitnessRecord) bool {
	s := scanner{rest: data}
	if !s.literal("{") {
		return false
	}
	for {
		var key []byte
		if !s.text(&key) || !s.literal(":") || !d.field(&s, key, record) {
			return false
		}
		if s.literal("}") {
			return len(s.rest) == 0
		}
		if !s.literal(",") {
			return false
		}
	}
}

func (d *WitnessDecoder) field(s *scanner, key []byte, record *WitnessRecord) bool {
	switch string(key) {
	case "seq":
		return s.integer(&record.Seq)
	case "wallMicros":
		return s.integer(&record.WallMicros)
	case "type":
		return d.name(s, &record.Type)
	case "role":
		return d.name(s, &record.Role)
	case "podUID":
		return d.name(s, &record.PodUID)
	case "podName":
		return d.name(s, &record.PodName)
	case "node":
		return d.name(s, &record.Node)
	case "appID":
		return d.name(s, &record.AppID)
	case "executorID":
		return d.name(s, &record.ExecutorID)
	case "jobID":
		return number(s, &record.JobID)
	case "stageID":
		return number(s, &record.StageID)
	case "attempt":
		return number(s, &record.Attempt)
	case "taskID":
		return number(s, &record.TaskID)
	case "partition":
		return number(s, &record.Partition)
	case "batchID":
		return number(s, &record.BatchID)
	case "incarnation":
		return d.name(s, &record.Incarnation)
	case "detail":
		return d.detail(s, record)
	case "via":
		return d.name(s, &record.Via)
	default:
		return false
	}
}

func (d *WitnessDecoder) name(s *scanner, into *string) bool {
	var text []byte
	if !s.text(&text) {
		return false
	}
	*into = d.names.intern(text)
	return true
}

func number(s *scanner, into **int64) bool {
	var value int64
	if !s.integer(&value) {
		return false
	}
	*into = &value
	return true
}

// detail leaves a second detail in one record to encoding/json, which merges the two.
func (d *WitnessDecoder) detail(s *scanner, record *WitnessRecord) bool {
	if record.Detail != nil || !s.literal("{") {
		return false
	}
	record.Detail = map[string]string{}
	if s.literal("}") {
		return true
	}
	for {
		var key, value []byte
		if !s.text(&key) || !s.literal(":") || !s.text(&value) {
			return false
		}
		record.Detail[d.names.intern(key)] = string(value)
		if s.literal("}") {
			return true
		}
		if !s.literal(",") {
			return false
		}
	}
}
