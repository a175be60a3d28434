package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// numbers is a set of sequence numbers: sorted, disjoint ranges that do not touch.
type numbers []numberRange

// numberRange is a range of records without holes.
type numberRange struct {
	from, to   int64
	begin, end int64         // the times of its first and last record, in microseconds
	beat       bool          // its first record is a heartbeat
	fell       time.Duration // the most by which the time fell from a record to a heartbeat that is the next one
}

// back returns the most by which the time fell from a record to a later heartbeat. Records of other types report what happened
// before, in histories that were not recorded by this release.
func (s numbers) back() time.Duration {
	var most time.Duration
	for i, r := range s {
		most = max(most, r.fell)
		if i > 0 {
			most = max(most, fall(s[i-1].end, r.begin, r.beat))
		}
	}
	return most
}

// fall returns by how much the time of a heartbeat, in microseconds, is before the one that it should follow; 0 if it is no heartbeat.
func fall(before, after int64, beat bool) time.Duration {
	if !beat {
		return 0
	}
	return max(0, time.Duration(before-after)*time.Microsecond)
}

// add puts the number of a record into the set, with the record's time in microseconds and whether it is a heartbeat, and reports
// whether it is new.
func (s *numbers) add(n, micros int64, beat bool) bool {
	all := *s
	// Nearly every record is the one after the last.
	i := len(all)
	for i > 0 && all[i-1].to >= n {
		i--
	}
	if i < len(all) && all[i].from <= n {
		return false
	}
	before, after := i > 0 && all[i-1].to == n-1, i < len(all) && all[i].from == n+1
	switch {
	case before && after:
		l, r := &all[i-1], all[i]
		l.fell = max(l.fell, r.fell, fall(l.end, micros, beat), fall(micros, r.begin, r.beat))
		l.to, l.end = r.to, r.end
		*s = slices.Delete(all, i, i+1)
	case before:
		l := &all[i-1]
		l.fell = max(l.fell, fall(l.end, micros, beat))
		l.to, l.end = n, micros
	case after:
		r := &all[i]
		r.fell = max(r.fell, fall(micros, r.begin, r.beat))
		r.from, r.begin, r.beat = n, micros, beat
	default:
		*s = slices.Insert(all, i, numberRange{from: n, to: n, begin: micros, end: micros, beat: beat})
	}
	return true
}

// count returns how many numbers there are.
func (s numbers) count() int64 {
	n := int64(0)
	for _, r := range s {
		n += r.to - r.from + 1
	}
	return n
}

// last returns the highest number, 0 if there is none.
func (s numbers) last() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].to
}

// missing returns how many numbers from 1 to the highest are not there.
func (s numbers) missing() int64 { return s.last() - s.count() }

// writer is a process as far as the numbers of its records go: a JVM, or the init container of its pod.
type writer struct {
	name, node string
	numbers    numbers
	digests    digests
	conflict   bool // told already that two different records have one number
}

// wrote notes the number of a record and reports whether it came for the first time. A record that came twice may have come by both ways,
// and then says the same; if it does not, another process wrote in the name of the first.
func (m *Model) wrote(r *history.WitnessRecord) bool {
	w := m.writers[r.PodUID]
	if w == nil {
		w = &writer{digests: digests{}}
		m.writers[r.PodUID] = w
	}
	w.name, w.node = cmp.Or(w.name, r.PodName), cmp.Or(w.node, r.Node)
	fresh := w.numbers.add(r.Seq, r.WallMicros, r.Type == history.Heartbeat)
	digest := digestOf(r)
	if before, known := w.digests.put(r.Seq, digest); known && before != digest {
		m.contradicts(w, r)
	}
	return fresh
}

// contradicts notes that two different records have one number, once for each process: one that was started again in place repeats them
// all.
func (m *Model) contradicts(w *writer, r *history.WitnessRecord) {
	told := w.conflict || slices.ContainsFunc(m.Conflicts, func(c history.ConflictData) bool { return c.PodUID == r.PodUID })
	if !told {
		m.Conflicts = append(m.Conflicts, history.ConflictData{PodUID: r.PodUID, Seq: r.Seq, Node: r.Node})
	}
	w.conflict = true
}

// DiskMissing returns the nodes among names whose witness evidence is not complete, each with the reason: the disk was not read in
// full, it gave fewer files or records than are known of its processes, a process's records have holes, or its witness could not write.
func (m *Model) DiskMissing(names []string) []string {
	var missing []string
	for _, name := range names {
		if why := m.incompleteDisk(name); why != "" {
			missing = append(missing, name+": "+why)
		}
	}
	return missing
}

// incompleteDisk returns why a node's evidence is not complete; empty if it is.
func (m *Model) incompleteDisk(node string) string {
	collection := m.Collected[node]
	if collection == nil {
		return "its disk was not read"
	}
	data := collection.Data
	if len(data.Errors) > 0 {
		return "its disk was not read in full: " + data.Errors[0] + wording.More(len(data.Errors)-1)
	}
	var known int64
	files, open := 0, false
	for _, uid := range slices.Sorted(maps.Keys(m.writers)) {
		w := m.writers[uid]
		if m.nodeOf(uid, w) != node {
			continue
		}
		files++
		known += w.numbers.count()
		whole := m.knownToItsEnd(uid, w)
		open = open || !whole
		if why := w.incomplete(uid, data.Writers); why != "" && !whole {
			return why
		}
		if p := m.Processes[uid]; p != nil && len(p.troubles) > 0 {
			return fmt.Sprintf("the witness in pod %s had trouble: %s", w.name, strings.Join(p.troubles, "; "))
		}
	}
	if why := m.lostOnTheWay(data.Writers); why != "" {
		return why
	}
	switch {
	case !open:
	case data.Files < files:
		return fmt.Sprintf("its disk gave the files of %d processes, %d reported", data.Files, files)
	case int64(data.Records) < known:
		return fmt.Sprintf("its disk gave %d records, %d are known", data.Records, known)
	}
	if data.Writers == nil && int64(data.Records) > known { // recorded by a release that counted a node's records as a whole
		return fmt.Sprintf("its disk gave %d records, the history has %d", data.Records, known)
	}
	return ""
}

// nodeOf returns the node on whose disk a process wrote: its pod's, or the one that its records name.
func (m *Model) nodeOf(uid string, w *writer) string {
	if pod := m.Pods[strings.TrimSuffix(uid, history.ArtifactsWriter)]; pod != nil && pod.Node != "" {
		return pod.Node
	}
	return w.node
}

// lostOnTheWay returns which records a disk held and the history lacks; empty if it has all of them.
func (m *Model) lostOnTheWay(onDisk []history.WriterData) string {
	for _, d := range onDisk {
		w := m.writers[d.PodUID]
		if w == nil {
			return fmt.Sprintf("its disk gave %s of pod %s, the history has none of them", wording.Count(d.Records, "record"), d.PodUID)
		}
		if w.numbers.last() < d.Last || w.numbers.count() < int64(d.Records) {
			return fmt.Sprintf("its disk gave %s of pod %s up to number %d, the history has %d up to number %d",
				wording.Count(d.Records, "record"), w.name, d.Last, w.numbers.count(), w.numbers.last())
		}
	}
	return ""
}

// incomplete returns why the records of a process are not complete, given what its node's disk gave, if that is known for each process.
func (w *writer) incomplete(uid string, onDisk []history.WriterData) string {
	if gone := w.numbers.missing(); gone > 0 {
		return fmt.Sprintf("%d of the first %d records of pod %s are missing", gone, w.numbers.last(), w.name)
	}
	if onDisk == nil {
		return ""
	}
	i := slices.IndexFunc(onDisk, func(d history.WriterData) bool { return d.PodUID == uid })
	if i < 0 {
		return fmt.Sprintf("the file of pod %s, which reported, is not on its disk", w.name)
	}
	if onDisk[i].Last < w.numbers.last() {
		return fmt.Sprintf("the file of pod %s ends with record %d, record %d is known", w.name, onDisk[i].Last, w.numbers.last())
	}
	return ""
}

// MissingRecords returns how many records of a process up to the newest that is known are missing; false if it never reported.
func (m *Model) MissingRecords(uid string) (missing int64, known bool) {
	w := m.writers[uid]
	if w == nil {
		return 0, false
	}
	return w.numbers.missing(), true
}
