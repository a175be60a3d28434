package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report/html"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// The bars of a report, which BenchmarkReport prints its figures against.
const (
	maxScript    = 90_000 // bytes
	maxUsual     = 1 << 20
	maxSynthetic = 8 << 20
	synthetic    = 5_000 // pods
	manyItems    = 3_490
)

// podData returns a pod as the API server shows it, with what a pod of Spark has at least.
func podData(uid, name, owner, node, phase string, number int) map[string]any {
	env := []any{}
	for i := range 20 {
		env = append(env, map[string]any{"name": fmt.Sprintf("SPARK_VARIABLE_%d", i), "value": fmt.Sprintf("value %d of %s", i, name)})
	}
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"uid": uid, "name": name, "namespace": "n", "creationTimestamp": "2026-01-02T03:04:05Z",
			"resourceVersion": fmt.Sprint(number), "labels": map[string]any{"spark-exec-id": fmt.Sprint(number), "spark-role": "executor",
				"spark-app-selector": "spark-0123456789abcdef"},
			"ownerReferences": []any{map[string]any{"kind": "Pod", "name": "driver", "uid": owner, "controller": true}}},
		"spec": map[string]any{"nodeName": node,
			"containers": []any{map[string]any{"name": "executor", "image": "docker.io/sparkchaos/spark:4.1.0", "env": env}}},
		"status": map[string]any{"phase": phase,
			"conditions": []any{map[string]any{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}}},
	}
	if owner == "job" {
		pod["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"kind": "Job", "name": "driver", "uid": "job",
			"controller": true}}
	}
	return pod
}

// writeSynthetic writes the history of a run with many executors, each with five events.
func writeSynthetic(tb testing.TB, directory string, pods int) {
	tb.Helper()
	file, err := os.Create(filepath.Join(directory, HistoryFile))
	if err != nil {
		tb.Fatal(err)
	}
	out := bufio.NewWriter(file)
	encoder := json.NewEncoder(out)
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seq := int64(0)
	add := func(at time.Duration, source history.Source, kind string, object *history.Object, data any) {
		tb.Helper()
		encoded, err := json.Marshal(data)
		if err != nil {
			tb.Fatal(err)
		}
		seq++
		if err := encoder.Encode(history.Event{Seq: seq, Offset: at, Wall: base.Add(at), Source: source, Type: kind, Object: object,
			Data: encoded}); err != nil {
			tb.Fatal(err)
		}
	}
	add(0, history.Harness, history.RunStarted, nil, history.RunData{FormatVersion: history.FormatVersion, RunID: "synthetic",
		Scenario: "synthetic", Plan: json.RawMessage(`{"steps":[],"expect":[]}`)})
	for i := range 100 {
		name := fmt.Sprintf("worker-%d", i)
		add(time.Second, history.Kubernetes, history.Added, &history.Object{Kind: "Node", Name: name, UID: name},
			map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}})
	}
	add(time.Second, history.Harness, history.WorkloadLaunched, nil,
		history.WorkloadData{Namespace: "n", DriverKind: "Job", DriverName: "driver", DriverUID: "job"})
	add(2*time.Second, history.Kubernetes, history.Added, &history.Object{Kind: "Pod", Namespace: "n", Name: "driver", UID: "driver"},
		podData("driver", "driver", "job", "worker-0", "Running", 0))
	for i := range pods {
		uid, name, node := fmt.Sprintf("uid-%d", i), fmt.Sprintf("driver-exec-%d", i), fmt.Sprintf("worker-%d", i%100)
		at := 3*time.Second + time.Duration(i)*50*time.Millisecond
		for n, state := range []struct{ kind, node, phase string }{{"added", "", "Pending"}, {"modified", node, "Pending"},
			{"modified", node, "Running"}, {"modified", node, "Succeeded"}, {"deleted", node, "Succeeded"}} {
			add(at+time.Duration(n)*time.Second, history.Kubernetes, state.kind, &history.Object{Kind: "Pod", Namespace: "n", Name: name, UID: uid},
				podData(uid, name, "driver", state.node, state.phase, i))
		}
	}
	add(5*time.Minute, history.Harness, history.RunEnded, nil, history.RunEndData{})
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkReport prints how large reports are and how fast a browser shows them, and fails where a bar is missed that does not depend on
// how busy the machine is.
func BenchmarkReport(b *testing.B) {
	script, err := os.Stat(filepath.Join("html", "assets", "report.js"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("usual", func(b *testing.B) {
		for b.Loop() {
			file, _ := recordedPage(b, "driver-node-power-off")
			measure(b, file, maxUsual)
		}
		b.ReportMetric(float64(script.Size())/1000, "script-kB")
		if script.Size() > maxScript {
			b.Errorf("the script has %d bytes, at most %d are allowed", script.Size(), maxScript)
		}
	})
	b.Run("pods=5000", func(b *testing.B) {
		for b.Loop() {
			directory := b.TempDir()
			writeSynthetic(b, directory, synthetic)
			measure(b, address(b, check.RunVerdict{Scenario: "synthetic", Verdict: check.Pass}, RunInfo{Directory: directory}), maxSynthetic)
		}
	})
	b.Run("items=3490", func(b *testing.B) {
		for b.Loop() {
			measure(b, manySpans(b), maxUsual)
		}
	})
}

// manySpans makes a report whose timeline has as many spans as a known library needs minutes for.
func manySpans(b *testing.B) string {
	b.Helper()
	t := &timeline.Timeline{End: time.Minute, Series: timeline.Series{Step: time.Second}}
	for i := range 10 {
		lane := timeline.Lane{Group: timeline.Nodes, Name: fmt.Sprintf("node %d", i)}
		for n := range manyItems / 10 {
			from := time.Duration(n) * time.Minute / (manyItems / 10)
			lane.Spans = append(lane.Spans, timeline.Span{From: from, To: from + 100*time.Millisecond, State: timeline.Running, Text: "x",
				Events: []int64{1}})
		}
		t.Lanes = append(t.Lanes, lane)
	}
	content, err := html.Render(html.Page{Scenario: "items", Verdict: "PASS", Tone: html.Good, Timeline: t, Record: html.NewCollector(nil)})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), HTMLFile)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.Fatal(err)
	}
	return "file://" + path
}

// frames zooms and moves for a while, and returns the times between frames.
const frames = `(async () => {
  const canvas = document.querySelector("canvas.lanes");
  const keys = ["+", "+", "ArrowRight", "ArrowRight", "ArrowDown", "-", "ArrowLeft", "ArrowDown"];
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < 160; i++) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: keys[i % keys.length] }));
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.95)];
})()`

func measure(b *testing.B, file string, most int64) {
	b.Helper()
	info, err := os.Stat(file[len("file://"):])
	if err != nil {
		b.Fatal(err)
	}
	if info.Size() > most {
		b.Errorf("%s has %d bytes, at most %d are allowed", file, info.Size(), most)
	}
	p := newTab(b, 1400, 1000)
	p.run(b, chromedp.Navigate(file), ready())
	b.ReportMetric(float64(info.Size())/1000, "kB")
	b.ReportMetric(value[float64](b, p, `performance.getEntriesByName("first-contentful-paint")[0].startTime`), "paint-ms")
	b.ReportMetric(value[float64](b, p, `performance.getEntriesByName("timeline")[0].duration`), "timeline-ms")
	var p95 float64
	p.run(b, chromedp.Evaluate(frames, &p95, awaited))
	b.ReportMetric(p95, "frame-p95-ms")
	p.silent(b)
}

// awaited has an expression return what its promise comes to.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
