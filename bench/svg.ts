/** Bar charts as SVG, to be read on light and on dark pages: no background, and ink that follows the reader's scheme. */

export interface Bar {
  readonly label: string;
  /** Which of the chart's colours. */
  readonly kind: "own" | "peer" | "floor";
  readonly value: number;
  /** A second value, drawn behind the first and paler. */
  readonly behind?: number;
  /** What is written at its end. */
  readonly text: string;
  /** From the lowest to the highest that was measured. */
  readonly range?: readonly [low: number, high: number];
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** With `log`, lengths are in decades from this value on: for what differs by factors. */
  readonly log?: { readonly from: number };
}

const WIDTH = 860;
const LABEL_WIDTH = 250;
const TEXT_WIDTH = 150;
const ROW = 22;
const TITLE = 34;
const BAR = 14;
const LENGTH = WIDTH - LABEL_WIDTH - TEXT_WIDTH;
const COLOURS = { own: "#2f81f7", peer: "#b9791f", floor: "#848d97" };

const STYLE = `
  text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .grid, .range { stroke: #59636e; stroke-width: 1 }
  .grid { stroke-opacity: 0.3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid, .range { stroke: #b1bac4 }
  }`;

/** Panels one below the other. */
export function chart(title: string, panels: readonly Panel[]): string {
  let top = 0;
  const parts = panels.map((panel) => {
    const part = drawn(panel, top);
    top += heightOf(panel);
    return part;
  });
  const size = `viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}"`;
  const name = escaped(title);
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${name}">
  <title>${name}</title>
  <style>${STYLE}
  </style>
${parts.join("\n")}
</svg>
`;
}

function heightOf({ bars }: Panel): number {
  return TITLE + (bars.length + 1) * ROW;
}

function drawn(panel: Panel, top: number): string {
  const { bars, title } = panel;
  const most = Math.max(...bars.flatMap(({ value, behind, range }) => [value, behind ?? 0, range?.[1] ?? 0]));
  const lengthOf = scale(panel, most);
  const bottom = top + TITLE + bars.length * ROW;
  const lines = [
    `  <text class="title" x="0" y="${top + 20}">${escaped(title)}</text>`,
    ...gridOf(panel, most).map(({ at, text }) => {
      const x = fixed(LABEL_WIDTH + lengthOf(at));
      return `  <path class="grid" d="M${x} ${top + TITLE - 4}V${bottom}"/><text x="${x}" y="${bottom + 14}" text-anchor="middle">${text}</text>`;
    }),
    ...bars.map((bar, index) => row(bar, top + TITLE + index * ROW, lengthOf)),
  ];
  return lines.join("\n");
}

function row(
  { label, kind, value, behind, text, range }: Bar,
  top: number,
  lengthOf: (value: number) => number,
): string {
  const middle = top + ROW / 2;
  const box = (length: number, opacity: number): string =>
    `<rect x="${LABEL_WIDTH}" y="${middle - BAR / 2}" width="${fixed(length)}" height="${BAR}" rx="2" fill="${COLOURS[kind]}" fill-opacity="${opacity}"/>`;
  const end = LABEL_WIDTH + Math.max(lengthOf(value), lengthOf(behind ?? 0), lengthOf(range?.[1] ?? 0));
  const parts = [`<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>`];
  if (behind !== undefined) parts.push(box(lengthOf(behind), 0.4));
  parts.push(box(lengthOf(value), 1));
  if (range) {
    const [low, high] = range.map((each) => fixed(LABEL_WIDTH + lengthOf(each)));
    parts.push(`<path class="range" d="M${low} ${middle}H${high}"/>`);
  }
  parts.push(`<text x="${fixed(end + 6)}" y="${middle + 4}">${escaped(text)}</text>`);
  return `  ${parts.join("")}`;
}

function scale({ log }: Panel, most: number): (value: number) => number {
  if (log === undefined) return (value) => (value / most) * LENGTH;
  const decades = Math.log10(most / log.from);
  return (value) => (value <= log.from ? 0 : (Math.log10(value / log.from) / decades) * LENGTH);
}

/** Decades; a linear bar has its value beside it, and needs no lines. */
function gridOf({ log }: Panel, most: number): { at: number; text: string }[] {
  if (log === undefined) return [];
  const lines: { at: number; text: string }[] = [];
  for (let at = log.from; at <= most; at *= 10) lines.push({ at, text: String(Number(at.toPrecision(1))) });
  return lines;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
