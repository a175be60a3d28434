// Shows running tasks, live executors and heartbeats under the lanes.
import uPlot from "uplot";
import type { Run } from "./data";
import type { View } from "./view";

export class Strip {
  readonly box = document.createElement("div");
  private plot: uPlot | undefined;

  constructor(private readonly run: Run, private readonly view: View) {
    this.box.className = "strip";
    new ResizeObserver(() => this.make()).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
  }

  private make(): void {
    const width = this.box.clientWidth;
    if (width < 100) return;
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const s = this.run.series;
    const perSecond = 1000 / s.step;
    const xs = s.tasks.map((_, i) => (i * s.step) / 1000);
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 0.5 }, ticks: { show: false }, font: "10px system-ui" };
    this.plot = new uPlot(
      {
        width, height: 110, ms: 1, padding: [6, 6, 0, 0],
        scales: { x: { time: false, min: this.view.from / 1000, max: this.view.to / 1000 }, beats: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] }, y: { range: (_u, _min, max) => [0, Math.max(1, max) + 0.3] } },
        cursor: { drag: { x: false, y: false } },
        axes: [{ ...axis, size: 18, values: (_u: uPlot, all: number[]) => all.map((v) => `${v}s`) }, { ...axis, size: this.view.labelWidth - 14, label: "tasks, executors", labelFont: "10px system-ui", labelSize: 14 }],
        series: [
          { label: "at", value: (_u: uPlot, v: number | null) => (v === null ? "" : `+${v.toFixed(1)}s`) },
          { label: "running tasks", stroke: colour("link"), width: 1.5, fill: `${colour("link")}22`, paths: uPlot.paths.stepped?.({ align: 1 }) },
          { label: "live executors", stroke: colour("alive"), width: 1.5, dash: [6, 3], paths: uPlot.paths.stepped?.({ align: 1 }) },
          { label: "heartbeats per second", stroke: colour("soft"), width: 1, dash: [2, 2], scale: "beats" },
        ],
      },
      [xs, s.tasks, s.executors, s.beats.map((n) => Math.round(n * perSecond))],
      this.box,
    );
  }

  move(): void {
    this.plot?.setScale("x", { min: this.view.from / 1000, max: this.view.to / 1000 });
  }
}
