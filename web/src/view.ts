// Draws the lanes that are in sight on a canvas, and says what is under the pointer.
import { clock, took, type Lane, type Mark, type Run, type Span } from "./data";

export const rowHeight = 22;
const head = 46;
const foot = 18;
const highest = 560;

export interface Hit { title: string; text: string; event: number; events: number[] }

interface Colours { get(name: string): string }

export class View {
  from: number;
  to: number;
  top = 0; // of the lanes, in pixels
  chosen = new Set<number>(); // events that are highlighted
  event = 0; // that is selected
  flash = -1; // lane that was found
  onMove: () => void = () => {};
  readonly canvas = document.createElement("canvas");
  readonly box = document.createElement("div");
  private readonly spacer = document.createElement("div");
  private colours!: Colours;
  private width = 600;
  private height = 300;
  private label = 200;
  private asked = false;
  private readonly chosenAt: number[] = [];

  constructor(readonly run: Run) {
    this.from = Math.min(run.begin, run.end - 20);
    this.to = run.end;
    this.canvas.className = "lanes";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label",
      "Timeline. Arrow keys move, plus and minus zoom, 0 shows all, n and p go from event to event. The table of the timeline says the same in words.");
    this.box.append(this.canvas, this.spacer);
    this.box.style.overflowY = "auto";
    this.box.style.position = "relative";
    this.canvas.style.position = "sticky";
    this.canvas.style.top = "0";
    this.box.addEventListener("scroll", () => { this.top = this.box.scrollTop; this.draw(); });
    this.readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.readColours(); this.draw(); });
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  private readColours(): void {
    const style = getComputedStyle(document.documentElement);
    const known = new Map<string, string>();
    this.colours = {
      get(name) {
        let value = known.get(name);
        if (value === undefined) known.set(name, (value = style.getPropertyValue(`--${name}`).trim()));
        return value;
      },
    };
  }

  resize(): void {
    const whole = head + this.run.lanes.length * rowHeight + foot;
    this.height = Math.min(highest, whole);
    this.box.style.height = `${this.height + 2}px`;
    this.width = Math.max(280, this.box.clientWidth - 2);
    this.label = this.width < 560 ? 96 : 190;
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.height = `${this.height}px`;
    this.spacer.style.height = `${whole - this.height}px`;
    this.paint();
  }

  get plot(): number { return this.width - this.label - 6; }

  x(ms: number): number { return this.label + ((ms - this.from) / (this.to - this.from)) * this.plot; }

  time(x: number): number { return this.from + ((x - this.label) / this.plot) * (this.to - this.from); }

  get labelWidth(): number { return this.label; }

  // show sets what is in sight, within the run.
  show(from: number, to: number): void {
    const least = Math.max(20, Math.min(this.run.end, to - from));
    from = Math.max(0, Math.min(from, this.run.end - least));
    this.from = from;
    this.to = Math.min(this.run.end, from + least);
    this.draw();
    this.onMove();
  }

  zoom(factor: number, around = (this.from + this.to) / 2): void {
    const length = Math.max(20, Math.min(this.run.end, (this.to - this.from) * factor));
    const share = (around - this.from) / (this.to - this.from);
    this.show(around - share * length, around + (1 - share) * length);
  }

  pan(ms: number): void { this.show(this.from + ms, this.to + ms); }

  scrollTo(lane: number): void {
    const y = lane * rowHeight;
    const inside = this.height - head - foot;
    if (y < this.top || y + rowHeight > this.top + inside) this.box.scrollTop = Math.max(0, y - inside / 2);
  }

  highlight(events: number[]): void {
    this.chosen = new Set(events);
    this.chosenAt.length = 0;
    for (const seq of events) {
      const i = this.run.place.get(seq);
      if (i !== undefined) this.chosenAt.push(this.run.events[i].at);
    }
    this.draw();
  }

  // draw paints with the next frame.
  draw(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }

  // paint draws what is in sight, now.
  paint(): void {
    const g = this.canvas.getContext("2d");
    if (!g) return;
    const ratio = this.canvas.width / this.width;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.colours.get("bg");
    g.fillRect(0, 0, this.width, this.height);
    g.textBaseline = "middle";
    g.save();
    g.beginPath();
    g.rect(0, head, this.width, this.height - head - foot);
    g.clip();
    this.ticks(g, false);
    this.windows(g);
    const first = Math.max(0, Math.floor(this.top / rowHeight));
    const last = Math.min(this.run.lanes.length - 1, Math.ceil((this.top + this.height) / rowHeight));
    for (let i = first; i <= last; i++) this.lane(g, i);
    this.overlaps(g);
    g.restore();
    this.ticks(g, true);
    this.header(g);
    this.evidence(g);
  }

  private y(lane: number): number { return head + lane * rowHeight - this.top; }

  private ticks(g: CanvasRenderingContext2D, labels: boolean): void {
    const span = this.to - this.from;
    let step = 10;
    for (const factor of [2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2, 3, 2, 5, 2, 3, 2]) {
      if (span / step <= Math.max(3, this.plot / 90)) break;
      step *= factor;
    }
    g.font = "10px system-ui";
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      if (labels) {
        g.fillStyle = this.colours.get("soft");
        g.fillText(`${+(at / 1000).toFixed(2)}s`, x + 2, this.height - foot / 2);
      } else {
        g.fillStyle = this.colours.get("line");
        g.fillRect(x, head, 0.6, this.height);
      }
    }
  }

  private windows(g: CanvasRenderingContext2D): void {
    for (const f of this.run.faults) {
      const [x, w] = this.range(f.from, f.to);
      g.fillStyle = this.colours.get("fault");
      g.globalAlpha = 0.06;
      g.fillRect(x, head, w, this.height);
      g.globalAlpha = 0.12;
      for (const lane of f.lanes ?? []) {
        const y = this.y(lane);
        if (y > -rowHeight && y < this.height) g.fillRect(x, y, w, rowHeight);
      }
      g.globalAlpha = 1;
    }
  }

  private range(from: number, to: number): [number, number] {
    const x = Math.max(this.label, this.x(from));
    return [x, Math.max(0, Math.max(from === to ? 1.5 : 1, Math.min(this.width - 4, this.x(to)) - x))];
  }

  private lane(g: CanvasRenderingContext2D, i: number): void {
    const lane = this.run.lanes[i];
    const y = this.y(i);
    if (i === this.flash) {
      g.fillStyle = this.colours.get("hi");
      g.globalAlpha = 0.25;
      g.fillRect(0, y, this.width, rowHeight);
      g.globalAlpha = 1;
    }
    for (const s of lane.spans) {
      if (s.to < this.from || s.from > this.to) continue;
      this.span(g, s, y);
    }
    g.fillStyle = this.colours.get("ink");
    for (const m of lane.marks) {
      if (m.at < this.from || m.at > this.to) continue;
      const x = this.x(m.at);
      g.beginPath();
      g.moveTo(x, y + 6);
      g.lineTo(x - 3.5, y + 12);
      g.lineTo(x + 3.5, y + 12);
      g.fill();
    }
    g.fillStyle = this.colours.get("bg");
    g.fillRect(0, y, this.label - 2, rowHeight);
    g.fillStyle = this.colours.get("ink");
    g.font = lane.depth ? "11px system-ui" : "600 11px system-ui";
    g.fillText(fit(g, lane.name, this.label - 10 - lane.depth * 10), 4 + lane.depth * 10, y + rowHeight / 2);
  }

  private span(g: CanvasRenderingContext2D, s: Span, y: number): void {
    const [x, w] = this.range(s.from, s.to);
    if (w <= 0) return;
    const top = s.low ? y + 14 : y + 2;
    const height = s.low ? 6 : 12;
    g.fillStyle = this.colours.get(colourOf(s.state));
    g.fillRect(x, top, w, height);
    if (hatched.has(s.state)) {
      hatch(g, [x, top, w, height], 6, this.colours.get("ink"), 0.35);
    }
    if (!s.low && w > 34) {
      g.fillStyle = this.colours.get("ink");
      g.font = "10px system-ui";
      g.fillText(fit(g, s.state, w - 6), x + 3, top + height / 2 + 0.5);
    }
    if (this.chosen.has(s.first) || this.chosen.has(s.last)) {
      g.strokeStyle = this.colours.get("ink");
      g.lineWidth = 2;
      for (const [seq, at] of [[s.first, s.from], [s.last, s.to]]) {
        if (!this.chosen.has(seq) || at < this.from || at > this.to) continue;
        g.fillStyle = this.colours.get("hi");
        g.beginPath();
        g.arc(this.x(at), top + height / 2, 5, 0, 7);
        g.fill();
        g.stroke();
      }
      g.lineWidth = 1;
    }
  }

  private overlaps(g: CanvasRenderingContext2D): void {
    for (const o of this.run.overlaps) {
      const [x, w] = this.range(o.from, o.to);
      if (o.to < this.from || o.from > this.to) continue;
      const y = this.y(o.lanes[0]);
      const height = this.y(o.lanes[1]) + rowHeight - y;
      hatch(g, [x, y, w, height], 9, this.colours.get("bad"), 0.45);
      g.strokeStyle = this.colours.get("bad");
      g.lineWidth = 2;
      g.strokeRect(x, y, w, height);
      g.lineWidth = 1;
      g.font = "700 12px system-ui";
      const text = `\u2716 two drivers alive for ${took(o.to - o.from)}`;
      const wide = g.measureText(text).width + 8;
      g.fillStyle = this.colours.get("bg");
      g.fillRect(x + 3, y + rowHeight + 1, wide, 18);
      g.fillStyle = this.colours.get("bad");
      g.fillText(text, x + 7, y + rowHeight + 10);
    }
  }

  private header(g: CanvasRenderingContext2D): void {
    g.save();
    g.beginPath();
    g.rect(this.label, 0, this.width - this.label, head);
    g.clip();
    for (const f of this.run.faults) {
      const [x, w] = this.range(f.from, f.to);
      if (f.to < this.from || f.from > this.to) continue;
      g.fillStyle = this.colours.get("fault");
      g.fillRect(x, 2, w, 16);
      g.font = "600 11px system-ui";
      const text = `\u26a1 ${f.kind} ${f.target}${f.landed ? "" : ", did not land"}`;
      g.fillStyle = this.colours.get("bg");
      g.fillText(fit(g, text, w - 6), x + 4, 10.5);
    }
    g.font = "10px system-ui";
    for (const p of this.run.phases) {
      if (p.to < this.from || p.from > this.to) continue;
      const [x, w] = this.range(p.from, p.to);
      const y = 30 + 9 * p.row;
      g.strokeStyle = g.fillStyle = this.colours.get(p.late ? "bad" : "ink");
      g.beginPath();
      g.moveTo(x + 0.5, y);
      g.lineTo(x + 0.5, y + 4);
      g.lineTo(x + w, y + 4);
      g.lineTo(x + w, y);
      g.stroke();
      if (p.row === 0) g.fillText(fit(g, `${p.name} ${took(p.to - p.from)}`, w - 3), x + 2, y - 4);
      else g.fillText(fit(g, `${p.name} ${took(p.to - p.from)}`, 400), x + w + 4, y + 2);
    }
    g.restore();
  }

  private evidence(g: CanvasRenderingContext2D): void {
    g.fillStyle = this.colours.get("hi");
    for (const at of this.chosenAt) {
      if (at >= this.from && at <= this.to) g.fillRect(this.x(at) - 1, head - 2, 2, this.height - head - foot);
    }
    const i = this.run.place.get(this.event);
    if (i === undefined) return;
    const at = this.run.events[i].at;
    if (at < this.from || at > this.to) return;
    g.fillStyle = this.colours.get("link");
    g.fillRect(this.x(at) - 1, head - 4, 2, this.height - head - foot + 4);
  }

  // hit returns what is at a place of the canvas.
  hit(x: number, y: number): Hit | undefined {
    if (x < this.label) {
      const lane = this.run.lanes[Math.floor((y - head + this.top) / rowHeight)];
      return lane && y > head ? { title: lane.name, text: lane.detail, event: 0, events: [] } : undefined;
    }
    if (y < head) return this.headHit(x, y);
    const at = this.time(x);
    for (const o of this.run.overlaps) {
      if (at >= o.from && at <= o.to && y >= this.y(o.lanes[0]) + rowHeight && y <= this.y(o.lanes[0]) + 2 * rowHeight) {
        return { title: "two drivers", text: `both alive for ${took(o.to - o.from)}, ${clock(o.from)} to ${clock(o.to)}`, event: o.events[0], events: o.events };
      }
    }
    const row = Math.floor((y - head + this.top) / rowHeight);
    const lane = this.run.lanes[row];
    if (!lane) return undefined;
    return this.laneHit(lane, at, (y - head + this.top) % rowHeight > 13);
  }

  private laneHit(lane: Lane, at: number, low: boolean): Hit | undefined {
    const near = (6 / this.plot) * (this.to - this.from);
    const mark = nearest(lane.marks, at, near);
    const title = lane.detail ? `${lane.name} (${lane.detail})` : lane.name;
    if (mark) return { title, text: `${mark.text}, ${clock(mark.at)}`, event: mark.event, events: [mark.event] };
    const under = lane.spans.filter((s) => s.from - near / 3 <= at && s.to + near / 3 >= at);
    const span = under.find((s) => s.low === low) ?? under[0];
    if (!span) return undefined;
    const event = at - span.from <= span.to - at ? span.first : span.last;
    return { title, text: `${span.text}, ${clock(span.from)} to ${clock(span.to)} (${took(span.to - span.from)})`, event, events: [span.first, span.last] };
  }

  private headHit(x: number, y: number): Hit | undefined {
    const at = this.time(x);
    if (y < 20) {
      const f = this.run.faults.find((one) => at >= one.from && at <= one.to);
      if (f) return { title: `fault ${f.name}`, text: `${f.kind} on ${f.target}, ${clock(f.from)} to ${clock(f.to)}`, event: f.events[0], events: f.events };
    }
    const p = this.run.phases.find((one) => at >= one.from && at <= one.to && (y > 36) === (one.row > 0)) ?? this.run.phases.find((one) => at >= one.from && at <= one.to);
    return p && { title: `phase of recovery: ${p.name}`, text: `${took(p.to - p.from)} after fault ${p.fault}`, event: p.events[1], events: p.events };
  }
}

function nearest(marks: Mark[], at: number, within: number): Mark | undefined {
  let best: Mark | undefined;
  for (const m of marks) {
    if (Math.abs(m.at - at) <= within && (!best || Math.abs(m.at - at) < Math.abs(best.at - at))) best = m;
  }
  return best;
}

// hatched are states that colours alone would not tell from others.
const hatched = new Set(["NotReady", "Unknown", "off", "isolated", "frozen", "failed", "gone", "not seen", "terminating"]);

export function colourOf(state: string): string {
  const names: Record<string, string> = {
    Ready: "ready", NotReady: "notready", Unknown: "unknown", gone: "failed", "kubelet off": "disturbed", tainted: "disturbed", batch: "running", seen: "pending", "not seen": "unknown",
  };
  return names[state] ?? state;
}

function fit(g: CanvasRenderingContext2D, text: string, width: number): string {
  if (width < 10) return "";
  if (g.measureText(text).width <= width) return text;
  let most = Math.min(text.length, Math.ceil(width / 4));
  while (most > 1 && g.measureText(`${text.slice(0, most)}\u2026`).width > width) most--;
  return most > 1 ? `${text.slice(0, most)}\u2026` : "";
}

// hatch fills a rectangle (x, y, width, height) with strokes a step apart, which tell it from others without colour.
function hatch(g: CanvasRenderingContext2D, [x, y, w, h]: [number, number, number, number], step: number, colour: string, alpha: number): void {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
  g.strokeStyle = colour;
  g.globalAlpha = alpha;
  g.beginPath();
  for (let k = x - h; k < x + w; k += step) {
    g.moveTo(k, y + h);
    g.lineTo(k + h, y);
  }
  g.stroke();
  g.restore();
}
