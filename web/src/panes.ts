// The panes below the lanes: the event that is selected, and the logs of the time that is in sight.
import { clock, object, readRaw, type Run } from "./data";
import type { View } from "./view";

export function element<K extends keyof HTMLElementTagNameMap>(name: K, text = "", className = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function button(text: string, title: string, act: () => void): HTMLButtonElement {
  const made = element("button", text);
  made.type = "button";
  made.title = title;
  made.addEventListener("click", act);
  return made;
}

// sentence says an event in words.
export function sentence(run: Run, seq: number): string {
  for (const proof of run.proofs) {
    for (const line of proof.lines ?? []) {
      if (line.event === seq) return `#${seq} ${clock(line.at)} ${line.text}`;
    }
  }
  const i = run.place.get(seq);
  if (i === undefined) return `#${seq} is not an event of this page`;
  const e = run.events[i];
  return `#${seq} ${clock(e.at)} ${e.type}${e.object ? ` of ${e.object}` : ""}`;
}

// copy puts a text on the clipboard.
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export class EventPane {
  readonly box = element("section", "", "pane event");
  private seq = 0;

  constructor(private readonly run: Run, private readonly go: (seq: number) => void) {
    this.box.setAttribute("aria-live", "polite");
    this.box.append(element("h3", "Event"), element("p", "Click on the timeline, on an event number or on an invariant."));
  }

  async show(seq: number): Promise<void> {
    this.seq = seq;
    const i = this.run.place.get(seq);
    const title = element("h3", sentence(this.run, seq));
    if (i === undefined) {
      this.box.replaceChildren(title, element("p", `Read it with: sparkchaos show RUNDIR '#${seq}'`));
      return;
    }
    const step = (by: number) => () => this.go(this.run.events[i + by]?.seq ?? seq);
    const bars = element("div", "", "bars");
    bars.append(
      button("\u2039 before", "the event before", step(-1)), button("after \u203a", "the event after", step(1)),
      button("copy as sentence", "copy the event in words", () => void copy(sentence(this.run, seq))),
      element("span", `${this.run.events[i].type} \u00b7 line ${seq} of history.ndjson`, "count"),
    );
    this.box.replaceChildren(title, bars, element("p", "\u2026"));
    const found = object(await readRaw(), i);
    if (this.seq !== seq) return;
    this.box.lastElementChild?.remove();
    if (!found) {
      this.box.append(element("p", `Its object was left out of this page, which would be too large. Read it with: sparkchaos show RUNDIR '#${seq}'`));
      return;
    }
    if (found.change !== undefined) {
      this.box.append(element("p", "What changed since the event before about this object:", "count"), element("pre", JSON.stringify(found.change, null, 1)));
      const details = element("details");
      details.append(element("summary", "The whole object"), element("pre", JSON.stringify(found.whole, null, 1)));
      this.box.append(details);
      return;
    }
    this.box.append(element("pre", JSON.stringify(found.whole, null, 1)));
  }
}

const mostLines = 500;

export class LogPane {
  readonly box = element("section", "", "pane logs");
  private readonly choice = element("select");
  private readonly text = element("pre");
  private readonly count = element("span", "", "count");
  private lines: { at: number; text: string }[] = [];
  private timer = 0;

  constructor(private readonly run: Run, private readonly view: View) {
    this.choice.setAttribute("aria-label", "log of");
    this.choice.addEventListener("change", () => void this.choose());
    const bars = element("div", "", "bars");
    bars.append(this.choice, this.count);
    this.box.append(element("h3", "Logs in the time that is shown"), bars, this.text);
    this.text.tabIndex = 0;
    this.text.setAttribute("aria-label", "log");
  }

  async start(): Promise<void> {
    const logs = (await readRaw()).logs ?? [];
    if (!logs.length) {
      this.box.replaceChildren(element("h3", "Logs"), element("p", "The run directory has no logs of drivers or executors."));
      return;
    }
    this.choice.replaceChildren(...logs.map((log, i) => new Option(log.name, String(i))));
    await this.choose();
  }

  // pick shows the log of a pod, if there is one.
  pick(pod: string): void {
    for (const option of this.choice.options) {
      if (option.text === pod && !option.selected) {
        option.selected = true;
        void this.choose();
      }
    }
  }

  private async choose(): Promise<void> {
    const log = (await readRaw()).logs?.[Number(this.choice.value)];
    if (!log) return;
    let at = 0;
    this.lines = log.text.split("\n").filter((line) => line).map((text) => {
      const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/.exec(text);
      if (stamp) at = Date.parse(stamp[1]) - this.run.base / 1000;
      return { at, text };
    });
    if (log.cut) this.lines.unshift({ at: 0, text: "(the begin of the log was left out)" });
    this.fill();
  }

  move(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.fill(), 120);
  }

  private fill(): void {
    const shown = this.lines.filter((line) => line.at >= this.view.from && line.at <= this.view.to);
    const cut = shown.slice(0, mostLines);
    this.count.textContent = `${cut.length} of ${this.lines.length} lines${shown.length > cut.length ? "; zoom in for the others" : ""}`;
    this.text.textContent = cut.map((line) => line.text).join("\n");
  }
}
