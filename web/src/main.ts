// The timeline of report.html. What decides the verdict is in the page without it.
import { readRun, type Run } from "./data";
import { EventPane, LogPane, button, copy, element, sentence } from "./panes";
import { Strip } from "./strip";
import { View, colourOf } from "./view";

class App {
  private readonly view: View;
  private readonly strip: Strip;
  private readonly pane: EventPane;
  private readonly logs: LogPane;
  private readonly tip = element("div", "", "tip");
  private readonly search = element("input");
  private readonly found = element("span", "", "count");
  private matches: number[] = []; // lanes
  private match = -1;
  private proof = "";

  constructor(private readonly run: Run, private readonly root: HTMLElement) {
    this.view = new View(run);
    this.strip = new Strip(run, this.view);
    this.pane = new EventPane(run, (seq) => this.visit(`#e${seq}`));
    this.logs = new LogPane(run, this.view);
    this.view.onMove = () => {
      this.strip.move();
      this.logs.move();
      root.dataset.from = String(Math.round(this.view.from));
      root.dataset.to = String(Math.round(this.view.to));
    };
    this.tip.hidden = true;
    const panes = element("div", "", "panes");
    panes.append(this.pane.box, this.logs.box);
    root.append(this.bars(), this.view.box, this.legend(), this.strip.box, panes, this.tip);
    this.pointer();
    this.view.canvas.addEventListener("keydown", (e) => this.key(e));
    document.addEventListener("click", (e) => this.link(e));
    addEventListener("hashchange", () => this.follow());
    addEventListener("popstate", () => this.follow());
  }

  start(): void {
    this.root.hidden = false;
    const still = document.getElementById("static");
    if (still) still.hidden = true;
    this.view.resize();
    this.follow();
    void this.logs.start();
  }

  private bars(): HTMLElement {
    const bars = element("div", "", "bars");
    this.search.type = "search";
    this.search.placeholder = "pod, node or event number";
    this.search.setAttribute("aria-label", "search for a pod, a node or an event number");
    this.search.addEventListener("keydown", (e) => { if (e.key === "Enter") this.find(); });
    this.search.addEventListener("input", () => { this.match = -1; this.matches = []; this.found.textContent = ""; });
    bars.append(
      this.search, button("find", "find the next", () => this.find()), this.found,
      button("+", "zoom in", () => this.view.zoom(0.5)), button("\u2212", "zoom out", () => this.view.zoom(2)),
      button("all", "show the whole run", () => this.view.show(0, this.run.end)),
      button("copy as sentence", "copy what is highlighted in words", () => void copy(this.words())),
    );
    return bars;
  }

  private legend(): HTMLElement {
    const legend = element("div", "", "legend");
    const states = new Set(this.run.lanes.flatMap((lane) => lane.spans.map((s) => s.state)));
    for (const state of states) {
      const one = element("span");
      const swatch = element("i");
      swatch.style.background = `var(--${colourOf(state)})`;
      one.append(swatch, state);
      legend.append(one);
    }
    legend.append(element("span", "\u25b2 something happened"), element("span", "drag to move; click, then wheel to zoom"));
    return legend;
  }

  // words says what is highlighted: the chain of evidence of an invariant, or the selected event.
  private words(): string {
    const proof = this.run.proofs.find((p) => p.name === this.proof);
    if (!proof) return this.view.event ? sentence(this.run, this.view.event) : "";
    const chain = proof.lines?.length ? proof.lines.map((l) => sentence(this.run, l.event)) : (proof.evidence ?? []).map((seq) => sentence(this.run, seq));
    return `${proof.name}: ${proof.verdict}: ${proof.message}. ${chain.join("; ")}.`;
  }

  private find(): void {
    const text = this.search.value.trim().toLowerCase();
    const number = /^#?(\d+)$/.exec(text);
    if (!text) return;
    if (number && this.run.place.has(Number(number[1]))) {
      this.found.textContent = "";
      this.visit(`#e${number[1]}`);
      return;
    }
    if (this.match < 0) {
      this.matches = this.run.lanes.flatMap((lane, i) => (`${lane.name} ${lane.detail}`.toLowerCase().includes(text) ? [i] : []));
    }
    if (!this.matches.length) {
      this.found.textContent = "nothing found";
      return;
    }
    this.match = (this.match + 1) % this.matches.length;
    this.view.flash = this.matches[this.match];
    this.view.scrollTo(this.view.flash);
    this.logs.pick(this.run.lanes[this.view.flash].detail);
    this.found.textContent = `${this.match + 1} of ${this.matches.length}: ${this.run.lanes[this.view.flash].name}`;
    this.view.draw();
  }

  // visit makes an address of the page the current one.
  private visit(hash: string): void {
    if (location.hash !== hash) history.pushState(null, "", hash);
    this.follow();
  }

  // follow shows what the page's address names: an event, or the evidence of an invariant.
  private follow(): void {
    const hash = decode(location.hash);
    const event = /^#e(\d+)$/.exec(hash);
    const invariant = /^#invariant=(.*)$/.exec(hash);
    document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
    this.proof = "";
    if (event) this.showEvent(Number(event[1]));
    else if (invariant) this.showProof(invariant[1]);
    else this.view.highlight([]);
    this.root.dataset.events = [...this.view.chosen].join(" ");
    if (event || invariant) reveal(document.getElementById("timeline"));
  }

  private showEvent(seq: number): void {
    this.view.event = seq;
    const i = this.run.place.get(seq);
    if (i !== undefined) {
      const at = this.run.events[i].at;
      const wide = Math.min(this.run.end, Math.max(2000, this.view.to - this.view.from));
      if (at < this.view.from || at > this.view.to) this.view.show(at - wide / 2, at + wide / 2);
      this.logs.pick(this.run.events[i].object.replace(/^Pod /, ""));
    }
    this.view.highlight([seq]);
    const lane = this.laneOf([seq]);
    if (lane >= 0) this.view.scrollTo(lane);
    void this.pane.show(seq);
  }

  private showProof(name: string): void {
    const proof = this.run.proofs.find((p) => p.name === name);
    if (!proof) return;
    this.proof = name;
    for (const row of document.querySelectorAll<HTMLElement>("tr.invariant")) row.classList.toggle("chosen", row.dataset.invariant === name);
    const events = proof.evidence ?? [];
    const times = events.flatMap((seq) => { const i = this.run.place.get(seq); return i === undefined ? [] : [this.run.events[i].at]; });
    this.view.event = events[0] ?? 0;
    this.view.highlight(events);
    if (times.length) {
      const from = Math.min(...times);
      const to = Math.max(...times);
      const margin = Math.max(500, (to - from) * 0.12);
      this.view.show(from - margin, to + margin);
    }
    const lane = this.laneOf(events);
    if (lane >= 0) this.view.scrollTo(lane);
    if (events.length) void this.pane.show(events[0]);
  }

  // laneOf returns the first lane that one of some events belongs to.
  private laneOf(events: number[]): number {
    const wanted = new Set(events);
    return this.run.lanes.findIndex((lane) => lane.spans.some((s) => wanted.has(s.first) || wanted.has(s.last)) || lane.marks.some((m) => wanted.has(m.event)));
  }

  // link keeps clicks on event numbers and invariants in the page from jumping to the table of evidence.
  private link(e: MouseEvent): void {
    const a = (e.target as Element).closest?.("a");
    const hash = a?.getAttribute("href") ?? "";
    if (!/^#(e\d+$|invariant=)/.test(hash) || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    this.visit(hash);
  }

  private pointer(): void {
    const canvas = this.view.canvas;
    let from: { x: number; y: number; moved: boolean } | undefined;
    canvas.addEventListener("pointerdown", (e) => {
      from = { x: e.offsetX, y: e.offsetY, moved: false };
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!from) return this.hover(e);
      const dx = e.offsetX - from.x;
      const dy = e.offsetY - from.y;
      if (!from.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
      this.tip.hidden = true;
      this.view.pan((-dx / this.view.plot) * (this.view.to - this.view.from));
      this.view.box.scrollTop -= dy;
      from = { x: e.offsetX, y: e.offsetY, moved: true };
    });
    canvas.addEventListener("pointerup", (e) => {
      const hit = from && !from.moved ? this.view.hit(e.offsetX, e.offsetY) : undefined;
      from = undefined;
      if (hit?.event) this.visit(`#e${hit.event}`);
    });
    canvas.addEventListener("pointercancel", () => { from = undefined; });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && document.activeElement !== canvas) return;
      e.preventDefault();
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) this.view.pan(((e.deltaX || e.deltaY) / this.view.plot) * (this.view.to - this.view.from));
      else this.view.zoom(Math.exp(e.deltaY * 0.002), this.view.time(e.offsetX));
    }, { passive: false });
  }

  private hover(e: PointerEvent): void {
    const hit = this.view.hit(e.offsetX, e.offsetY);
    this.tip.hidden = !hit;
    this.view.canvas.style.cursor = hit?.event ? "pointer" : "";
    if (!hit) return;
    this.tip.replaceChildren(element("strong", hit.title), element("br"), hit.text, element("br"), element("span", hit.events.map((seq) => `#${seq}`).join(" "), "when"));
    this.tip.style.left = `${Math.min(e.clientX + 14, innerWidth - this.tip.offsetWidth - 8)}px`;
    this.tip.style.top = `${Math.min(e.clientY + 16, innerHeight - this.tip.offsetHeight - 8)}px`;
  }

  private key(e: KeyboardEvent): void {
    const step = (this.view.to - this.view.from) / 8;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => this.view.pan(-step), ArrowRight: () => this.view.pan(step),
      ArrowUp: () => { this.view.box.scrollTop -= 66; }, ArrowDown: () => { this.view.box.scrollTop += 66; },
      PageUp: () => { this.view.box.scrollTop -= 440; }, PageDown: () => { this.view.box.scrollTop += 440; },
      "+": () => this.view.zoom(0.7), "=": () => this.view.zoom(0.7), "-": () => this.view.zoom(1.4),
      "0": () => this.view.show(0, this.run.end), Home: () => this.view.show(0, this.run.end),
      n: () => this.next(1), p: () => this.next(-1), Escape: () => this.visit("#timeline"),
    };
    const act = keys[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  }

  // next goes to the next event of an invariant's evidence, or to the next one that a lane begins or ends a span with.
  private next(by: number): void {
    const proof = this.run.proofs.find((p) => p.evidence?.includes(this.view.event));
    const all = proof?.evidence ?? [...new Set(this.run.lanes.flatMap((l) => l.spans.map((s) => s.first)))].sort((a, b) => a - b);
    const i = all.indexOf(this.view.event);
    const seq = all[(i + by + all.length) % all.length];
    if (seq) this.visit(`#e${seq}`);
  }
}

// reveal scrolls to an element unless its begin is in sight.
function reveal(element: HTMLElement | null): void {
  const top = element?.getBoundingClientRect().top ?? 0;
  if (top < 0 || top > innerHeight * 0.6) element?.scrollIntoView();
}

function decode(hash: string): string {
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

// painted waits until the browser has shown the page, which decides the verdict without this script; a page in the background is not shown.
function painted(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, 400);
    requestAnimationFrame(() => setTimeout(done, 0));
  });
}

async function main(): Promise<void> {
  const root = document.getElementById("app");
  if (!root || !document.getElementById("data")) return;
  await painted();
  const begin = performance.now();
  const app = new App(await readRun(), root);
  app.start();
  performance.measure("timeline", { start: begin });
  root.dataset.ready = "true";
}

main().catch((error: unknown) => {
  // The picture that needs no JavaScript stays; an old browser may lack DecompressionStream.
  const note = document.createElement("p");
  note.className = "hint";
  note.textContent = `The timeline that can be searched cannot be shown: ${String(error)}`;
  document.getElementById("timeline")?.append(note);
});
