package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

func fileStage(key string, built *atomic.Int32) stage {
	return stage{kind: "thing", key: key, build: func(_ context.Context, dir string) error {
		built.Add(1)
		return os.WriteFile(filepath.Join(dir, "file"), []byte(key), 0o644)
	}}
}

func TestStageIsBuiltOnce(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	var built atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := env.make(t.Context(), fileStage("k", &built))
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(data) != "k" {
				t.Errorf("stage holds %q, %v", data, err)
			}
		})
	}
	all.Wait()
	if n := built.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func TestFailedStageLeavesNothing(t *testing.T) {
	t.Parallel()
	var news []Progress
	env := Env{Cache: t.TempDir(), Progress: func(p Progress) { news = append(news, p) }}
	cause := errors.New("no luck")
	_, err := env.make(t.Context(), stage{kind: "thing", key: "k", build: func(_ context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			return err
		}
		return cause
	}})
	if !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(env.kindDir("thing")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if len(news) != 2 || news[0].Done || !news[1].Done || !errors.Is(news[1].Err, cause) {
		t.Errorf("progress %+v", news)
	}
}

func TestInterruptedBuildIsRemoved(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	half := filepath.Join(env.kindDir("thing"), buildingPrefix+"1")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	var built atomic.Int32
	if _, err := env.make(t.Context(), fileStage("k", &built)); err != nil {
		t.Fatal(err)
	}
	if exists(half) {
		t.Error("the half-made stage is still there")
	}
}

func TestOldStagesAreRemoved(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	var built atomic.Int32
	for i := range 5 {
		dir, err := env.make(t.Context(), fileStage(strconv.Itoa(i), &built))
		if err != nil {
			t.Fatal(err)
		}
		old := time.Unix(int64(1e9+i), 0)
		if i == 0 {
			old = time.Unix(2e9, 0) // used last of all
		}
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []bool{true, false, false, true, true} {
		if got := exists(filepath.Join(env.kindDir("thing"), strconv.Itoa(i))); got != want {
			t.Errorf("stage %d is there: %v, want %v", i, got, want)
		}
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lock(ctx, file); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestKeysDoNotRunIntoEachOther(t *testing.T) {
	t.Parallel()
	sum := func(pairs ...string) string {
		k := newStageKey("kind")
		for i := 0; i < len(pairs); i += 2 {
			k.add(pairs[i], pairs[i+1])
		}
		return k.sum()
	}
	first := sum("a", "b")
	if again := sum("a", "b"); again != first {
		t.Errorf("the same inputs have the keys %s and %s", first, again)
	}
	for _, other := range []string{sum("ab", ""), sum("", "ab"), sum("a", "b", "", ""), sum("a", "b=c\n")} {
		if other == first {
			t.Error("different inputs have one key")
		}
	}
}

func TestNoCache(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(context.Context, Env) (Archive, error){"pause": Pause, "toolbox": Toolbox, "spark": Spark} {
		if _, err := build(t.Context(), Env{}); err == nil {
			t.Errorf("%s: no error without a cache directory", name)
		}
	}
}

// Stages in the cache are used only as they were made.
func TestDamagedStageIsBuiltAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "file"), 0) },
		"removed":   func(dir string) error { return os.Remove(filepath.Join(dir, "file")) },
		"replaced":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), []byte("other"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var warnings []string
			env := Env{Cache: t.TempDir(), Progress: func(p Progress) {
				if p.Warning != "" {
					warnings = append(warnings, p.Warning)
				}
			}}
			var built atomic.Int32
			dir, err := env.make(t.Context(), fileStage("k", &built))
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := env.make(t.Context(), fileStage("k", &built)); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "file"))
			if err != nil || string(data) != "k" || built.Load() != 2 {
				t.Errorf("built %d times, the stage holds %q, %v", built.Load(), data, err)
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0], "damaged or was changed: file") {
				t.Errorf("warnings %q", warnings)
			}
			if left, err := os.ReadDir(env.kindDir("thing")); err != nil || len(left) != 1 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// A stage of an older sparkchaos has no digests: they are recorded when it is used, and compared from then on.
func TestOlderStageIsUsedAndRecorded(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	var built atomic.Int32
	dir, err := env.make(t.Context(), fileStage("k", &built))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, filesums.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := env.make(t.Context(), fileStage("k", &built)); err != nil || built.Load() != 1 {
		t.Fatalf("built %d times, %v", built.Load(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := env.make(t.Context(), fileStage("k", &built)); err != nil || built.Load() != 2 {
		t.Errorf("built %d times, %v", built.Load(), err)
	}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	for _, kind := range []string{"pause" + imageKind, "spark-workloads"} {
		if err := os.MkdirAll(filepath.Join(env.kindDir(kind), "0123"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(env.kindDir("toolbox"+imageKind), buildingPrefix+"0123"), 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := Lacking(env)
	if diff := cmp.Diff([]string{"toolbox", podName, "spark"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
