// Reads the columns that pkg/report/html/data.go packs. Times are in milliseconds from the begin of the run.

interface Columns {
  base: number;
  begin: number;
  end: number;
  words: string[];
  Lanes: { Group: number[]; Name: number[]; Detail: number[]; Depth: number[]; Spans: number[]; Marks: number[] };
  Spans: { From: number[]; For: number[]; State: number[]; Text: number[]; Low: number[]; First: number[]; Last: number[] };
  Marks: { At: number[]; Text: number[]; Event: number[] };
  faults: Fault[] | null;
  phases: Phase[] | null;
  overlaps: Overlap[] | null;
  series: Series;
  events: { Seq: number[]; At: number[]; Type: number[]; Obj: number[] };
  proofs: Proof[] | null;
  whole: boolean;
}

export interface Fault { name: string; kind: string; target: string; from: number; to: number; events: number[]; lanes: number[] | null; landed: boolean }
export interface Phase { fault: string; name: string; from: number; to: number; events: number[]; row: number; late: boolean }
export interface Overlap { from: number; to: number; lanes: [number, number]; events: number[] }
export interface Series { step: number; tasks: number[]; executors: number[]; beats: number[] }
export interface Proof { name: string; verdict: string; message: string; evidence: number[] | null; lines: { event: number; at: number; text: string }[] | null }

export interface Span { from: number; to: number; state: string; text: string; low: boolean; first: number; last: number }
export interface Mark { at: number; text: string; event: number }
export interface Lane { group: string; name: string; detail: string; depth: number; spans: Span[]; marks: Mark[] }
export interface Run {
  base: number;
  begin: number;
  end: number;
  lanes: Lane[];
  faults: Fault[];
  phases: Phase[];
  overlaps: Overlap[];
  series: Series;
  proofs: Proof[];
  whole: boolean;
  events: { seq: number; at: number; type: string; object: string }[];
  place: Map<number, number>; // of an event in events, by its number
}

export interface Raw { raw: string[]; prev: number[]; logs: { name: string; cut: boolean; text: string }[] | null }

// unpack returns what the element with an id holds.
async function unpack<T>(id: string): Promise<T> {
  const element = document.getElementById(id);
  if (!element) throw new Error(`there is no data "${id}" in this page`);
  const text = atob(element.textContent ?? "");
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as T;
}

export async function readRun(): Promise<Run> {
  const c = await unpack<Columns>("data");
  const word = (i: number) => c.words[i] ?? "";
  const lanes: Lane[] = [];
  let span = 0;
  let mark = 0;
  (c.Lanes.Name ?? []).forEach((name, i) => {
    const lane: Lane = { group: word(c.Lanes.Group[i]), name: word(name), detail: word(c.Lanes.Detail[i]), depth: c.Lanes.Depth[i], spans: [], marks: [] };
    for (const end = span + c.Lanes.Spans[i]; span < end; span++) {
      const from = c.Spans.From[span];
      lane.spans.push({
        from, to: from + c.Spans.For[span], state: word(c.Spans.State[span]), text: word(c.Spans.Text[span]),
        low: c.Spans.Low[span] === 1, first: c.Spans.First[span], last: c.Spans.Last[span],
      });
    }
    for (const end = mark + c.Lanes.Marks[i]; mark < end; mark++) {
      lane.marks.push({ at: c.Marks.At[mark], text: word(c.Marks.Text[mark]), event: c.Marks.Event[mark] });
    }
    lanes.push(lane);
  });
  let seq = 0;
  let at = 0;
  const events = (c.events.Seq ?? []).map((step, i) => {
    seq += step;
    at += c.events.At[i];
    return { seq, at, type: word(c.events.Type[i]), object: word(c.events.Obj[i]) };
  });
  return {
    base: c.base, begin: c.begin, end: Math.max(1, c.end), lanes, faults: c.faults ?? [], phases: c.phases ?? [], overlaps: c.overlaps ?? [],
    series: { step: c.series.step, tasks: c.series.tasks ?? [], executors: c.series.executors ?? [], beats: c.series.beats ?? [] }, proofs: c.proofs ?? [], whole: c.whole, events, place: new Map(events.map((e, i) => [e.seq, i])),
  };
}

let raw: Promise<Raw> | undefined;

// readRaw returns the raw data of events, and the logs; it unpacks them once, when somebody asks.
export function readRaw(): Promise<Raw> {
  raw ??= unpack<Raw>("raw");
  return raw;
}

// object returns the object of an event, and what changed since the event before that is about it.
export function object(r: Raw, i: number): { whole: unknown; change?: unknown } | undefined {
  if (!r.raw[i]) return undefined;
  const value: unknown = JSON.parse(r.raw[i]);
  if (!r.prev[i]) return { whole: value };
  const before = object(r, i - r.prev[i]);
  if (!before) return undefined;
  return { whole: apply(before.whole, value), change: value };
}

function apply(a: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = a !== null && typeof a === "object" && !Array.isArray(a) ? { ...(a as Record<string, unknown>) } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = apply(result[key], value);
  }
  return result;
}

export function clock(ms: number): string {
  return `+${(ms / 1000).toFixed(2)}s`;
}

export function took(ms: number): string {
  return ms < 10000 ? `${(ms / 1000).toFixed(2)}s` : `${(ms / 1000).toFixed(1)}s`;
}
