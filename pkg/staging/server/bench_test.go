package server

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// uploadBytes is how much one iteration uploads; memory must not grow with it.
const uploadBytes = 256 << 20

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// BenchmarkUpload reports the most memory that uploading and downloading a large bundle takes at any moment, in bytes.
func BenchmarkUpload(b *testing.B) {
	l := newLab(b, nil)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	peak := make(chan uint64)
	go func() { peak <- highest(done) }()
	b.SetBytes(uploadBytes)
	for b.Loop() {
		ticket, err := l.client.Upload(b.Context(), owner(), io.LimitReader(zeros{}, uploadBytes))
		if err != nil {
			b.Fatal(err)
		}
		body, err := l.client.Fetch(b.Context(), ticket)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			b.Fatal(err)
		}
		body.Close()
		if err := l.client.Remove(b.Context(), ticket); err != nil {
			b.Fatal(err)
		}
	}
	close(done)
	used := float64(<-peak) - float64(before.HeapAlloc)
	b.ReportMetric(used, "peak-heap-B")
	if used > uploadBytes/4 {
		b.Errorf("%d bytes took %.0f bytes of memory", uploadBytes, used)
	}
}

// highest returns the largest heap that was seen until done.
func highest(done <-chan struct{}) uint64 {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var most uint64
	for {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
		select {
		case <-done:
			return most
		case <-tick.C:
		}
	}
}
