package server

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// mostMemory is what one transfer at a time may take, most of it garbage that is not collected yet.
const mostMemory = 64 << 20

// BenchmarkUpload reports the most memory that uploading and downloading a large bundle takes at any moment, in bytes: it
// must not grow with the bundle.
func BenchmarkUpload(b *testing.B) {
	for name, size := range map[string]int64{"256MiB": 256 << 20, "2GiB": 2 << 30} {
		b.Run(name, func(b *testing.B) { benchmarkUpload(b, size) })
	}
}

func benchmarkUpload(b *testing.B, size int64) {
	l := newLab(b, nil)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	peak := make(chan uint64)
	go func() { peak <- highest(done) }()
	b.SetBytes(size)
	for b.Loop() {
		ticket, err := l.client.Upload(b.Context(), owner(), io.LimitReader(zeros{}, size))
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
	if used > mostMemory {
		b.Errorf("%d bytes took %.0f bytes of memory", size, used)
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
