package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const (
	somePressure = "some avg10=97.56 avg60=97.52 avg300=97.58 total=1732860811\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
	someStat     = "cpu  1 2 3\nintr 5 6 7\nctxt 8\nprocesses 9\nprocs_running 12\nprocs_blocked 1\n"
)

func TestParsePressure(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content string
		want    time.Duration
		bad     bool
	}{
		"as Linux writes it":     {content: somePressure, want: 1732860811 * time.Microsecond},
		"full comes first":       {content: "full avg10=0.00 total=7\nsome avg10=0.00 total=8\n", want: 8 * time.Microsecond},
		"nothing":                {bad: true},
		"only full":              {content: "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", bad: true},
		"no total":               {content: "some avg10=0.00\n", bad: true},
		"no number":              {content: "some total=x\n", bad: true},
		"negative":               {content: "some total=-1\n", bad: true},
		"longer than a Duration": {content: "some total=9223372036854775807\n", bad: true},
	} {
		got, err := parsePressure([]byte(tt.content))
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestParseRunning(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content string
		want    int
		bad     bool
	}{
		"as Linux writes it": {content: someStat, want: 12},
		"nothing":            {bad: true},
		"another line":       {content: "procs_blocked 1\n", bad: true},
		"no number":          {content: "procs_running x\n", bad: true},
		"negative":           {content: "procs_running -2\n", bad: true},
	} {
		got, err := parseRunning([]byte(tt.content))
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func FuzzParseLoad(f *testing.F) {
	f.Add([]byte(somePressure))
	f.Add([]byte(someStat))
	f.Fuzz(func(t *testing.T, content []byte) {
		if waited, err := parsePressure(content); waited < 0 || err != nil && waited != 0 {
			t.Errorf("waited %v, %v", waited, err)
		}
		if running, err := parseRunning(content); running < 0 || err != nil && running != 0 {
			t.Errorf("running %d, %v", running, err)
		}
	})
}

// fakeProc is a machine on which a process waits for a CPU in 3 of 4 µs since its boot.
func fakeProc(booted time.Time) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		up := time.Since(booted)
		switch name {
		case "pressure/cpu":
			return fmt.Appendf(nil, "some avg10=0.00 total=%d\n", (up * 3 / 4).Microseconds()), nil
		case "pressure/io":
			return nil, errors.New("operation not supported")
		case "stat":
			return fmt.Appendf(nil, "procs_running %d\n", 4+4*(up.Milliseconds()/100%2)), nil
		default:
			return nil, fs.ErrNotExist
		}
	}
}

func TestLoadIsMeasured(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lasts time.Duration
		fails bool
		want  []time.Duration // that the measurements cover
	}{
		"whole measurements and the rest": {12050 * time.Millisecond, false,
			[]time.Duration{5 * time.Second, 5 * time.Second, 2050 * time.Millisecond}},
		"too short a rest":       {5500 * time.Millisecond, false, []time.Duration{5 * time.Second}},
		"a history that is full": {20 * time.Second, true, []time.Duration{5 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got []history.LoadData
				ctx, cancel := context.WithTimeout(t.Context(), tt.lasts)
				defer cancel()
				newLoadMeter(fakeProc(time.Now()), time.Now()).run(ctx, func(data history.LoadData) error {
					got = append(got, data)
					if tt.fails {
						return errFull
					}
					return nil
				})
				var want []history.LoadData
				for _, covered := range tt.want {
					want = append(want, history.LoadData{For: covered, CPUs: runtime.GOMAXPROCS(0), Runnable: 6, CPU: 0.75, Memory: -1, IO: -1})
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 0.001)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A timer that is late is measured, and what was missed is not made up for.
func TestLatenessOfTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		samples := 0
		read := func(name string) ([]byte, error) {
			if name != "stat" {
				return nil, fs.ErrNotExist
			}
			if samples++; samples == 10 {
				<-time.After(3 * time.Second) // the process is not run meanwhile
			}
			return []byte(someStat), nil
		}
		var got []history.LoadData
		ctx, cancel := context.WithTimeout(t.Context(), 5150*time.Millisecond)
		defer cancel()
		newLoadMeter(read, time.Now()).run(ctx, func(data history.LoadData) error {
			got = append(got, data)
			return nil
		})
		want := []history.LoadData{{For: 5 * time.Second, CPUs: runtime.GOMAXPROCS(0), Runnable: 12, CPU: -1, Memory: -1, IO: -1,
			TimerLate: 2900 * time.Millisecond}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if samples > 10+21 {
			t.Errorf("%d samples: those that were missed were made up for", samples)
		}
	})
}

func TestTheHistoryOfARunTellsItsLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.ndjson")
	synctest.Test(t, func(t *testing.T) {
		log, err := history.Create(path, history.SystemClock{})
		if err != nil {
			t.Fatal(err)
		}
		stop := measureLoad(t.Context(), log)
		<-time.After(11 * time.Second)
		stop()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	count := 0
	for event, err := range history.NewReader(file).All() {
		if err != nil || event.Type != history.LoadMeasured {
			t.Errorf("event %+v, %v", event, err)
		}
		count++
	}
	if count != 3 {
		t.Errorf("%d measurements, want 3 of 11 s", count)
	}
}
