package history

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// parser decodes lines. Lines in the form that Writer produces, which are nearly all, are scanned by hand, several
// times faster than by encoding/json; all others are left to encoding/json, with the same result. The data of an event
// is not examined: it is checked where it is decoded.
type parser struct {
	names interner
}

// line decodes one line without its end. The event's Data aliases the line.
func (p *parser) line(line []byte, event *Event) error {
	*event = Event{}
	if p.fast(line, event) {
		return nil
	}
	*event = Event{}
	return json.Unmarshal(line, event)
}

// fast scans {"seq":1,"offset":2,"wall":"…","source":"…","type":"…"[,"object":{…}][,"data":…]} and reports whether the line
// had that shape.
func (p *parser) fast(line []byte, event *Event) bool {
	s := scanner{rest: line}
	seq := s.literal(`{"seq":`) && s.integer(&event.Seq)
	var offset int64
	if !seq || !s.literal(`,"offset":`) || !s.integer(&offset) {
		return false
	}
	event.Offset = time.Duration(offset)
	var wall, source, kind []byte
	if !s.literal(`,"wall":`) || !s.text(&wall) || event.Wall.UnmarshalText(wall) != nil {
		return false
	}
	if !s.literal(`,"source":`) || !s.text(&source) || !s.literal(`,"type":`) || !s.text(&kind) {
		return false
	}
	event.Source, event.Type = Source(p.names.intern(source)), p.names.intern(kind)
	if s.literal(`,"object":`) {
		event.Object = &Object{}
		if !p.object(&s, event.Object) {
			return false
		}
	}
	if s.literal(`,"data":`) {
		if len(s.rest) < 2 || s.rest[len(s.rest)-1] != '}' {
			return false
		}
		data := s.rest[:len(s.rest)-1]
		if !plausible(data) {
			return false
		}
		event.Data = data
		return true
	}
	return string(s.rest) == "}"
}

// plausible rejects what cannot be exactly one value without blanks around it; encoding/json then reports what is wrong
// with the line.
func plausible(data []byte) bool {
	first, last := data[0], data[len(data)-1]
	switch first {
	case '{':
		return last == '}'
	case '[':
		return last == ']'
	default:
		return json.Valid(data) && first > ' ' && last > ' '
	}
}

func (p *parser) object(s *scanner, object *Object) bool {
	var kind, namespace, name, uid []byte
	if !s.literal(`{"kind":`) || !s.text(&kind) {
		return false
	}
	if s.literal(`,"namespace":`) && !s.text(&namespace) {
		return false
	}
	if !s.literal(`,"name":`) || !s.text(&name) {
		return false
	}
	if s.literal(`,"uid":`) && !s.text(&uid) {
		return false
	}
	object.Kind, object.Namespace = p.names.intern(kind), p.names.intern(namespace)
	object.Name, object.UID = p.names.intern(name), p.names.intern(uid)
	return s.literal("}")
}

// scanner takes tokens off the front of a line.
type scanner struct {
	rest []byte
}

func (s *scanner) literal(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// integer reads a whole number that fits an int64, as JSON writes it.
func (s *scanner) integer(into *int64) bool {
	end := 0
	for end < len(s.rest) && (s.rest[end] == '-' || s.rest[end] >= '0' && s.rest[end] <= '9') {
		end++
	}
	digits := s.rest[:end]
	if end > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	if len(digits) > 18 || len(digits) < end && digits[0] == '0' {
		return s.longInteger(into, end)
	}
	var value int64
	for _, d := range digits {
		if d == '-' {
			return false
		}
		value = value*10 + int64(d-'0')
	}
	if len(digits) < end {
		value = -value
	}
	*into = value
	s.rest = s.rest[end:]
	return true
}

func (s *scanner) longInteger(into *int64, end int) bool {
	value, err := strconv.ParseInt(string(s.rest[:end]), 10, 64)
	if err != nil {
		return false
	}
	*into = value
	s.rest = s.rest[end:]
	return true
}

// text reads a string of plain ASCII without escapes. Other strings are left to encoding/json.
func (s *scanner) text(into *[]byte) bool {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return false
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			*into = s.rest[1:i]
			s.rest = s.rest[i+1:]
			return true
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return false
		}
	}
	return false
}

// interner returns one string for equal texts, because the same few names occur in nearly every line.
type interner struct {
	known map[string]string
}

// maxInterned bounds the memory of an interner. Names beyond it are copied each time.
const maxInterned = 1 << 14

func (n *interner) intern(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if known, ok := n.known[string(text)]; ok {
		return known
	}
	made := string(text)
	if n.known == nil {
		n.known = map[string]string{}
	}
	if len(n.known) < maxInterned {
		n.known[made] = made
	}
	return made
}

// Clone returns a copy of the event that shares no memory with the reader it came from.
func (e Event) Clone() Event {
	if e.Data != nil {
		e.Data = append(json.RawMessage(nil), e.Data...)
	}
	if e.Object != nil {
		object := *e.Object
		e.Object = &object
	}
	return e
}
