/** A chart of lines: two axes, a grid, a legend. White behind it, so that it can be read on a dark page too. */

export interface Tick {
  /** On the axis's scale, 0 … 1. */
  at: number;
  label: string;
}

export interface Line {
  label: string;
  /** Both on the axes' scales, 0 … 1, y upwards. */
  points: readonly { x: number; y: number }[];
  hasDots?: boolean;
}

export interface LineChart {
  title: string;
  subtitle: string;
  xTitle: string;
  yTitle: string;
  xTicks: readonly Tick[];
  yTicks: readonly Tick[];
  lines: readonly Line[];
}

const width = 1000;
const height = 560;
const plot = { left: 84, top: 76, right: 690, bottom: 490 };

/** Told apart by people who do not see all colours (Okabe and Ito), and by their dashes. */
const colours = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];
const dashes = ["", "7 4", "2 3"];

export function lineChart({ title, subtitle, xTitle, yTitle, xTicks, yTicks, lines }: LineChart): string {
  const parts = [
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text({ x: plot.left, y: 32, size: 20, weight: 600 }, title),
    text({ x: plot.left, y: 56, size: 13, fill: "#555555" }, subtitle),
    ...xTicks.map(({ at, label }) => {
      const x = xOf(at);
      return rule(x, plot.top, x, plot.bottom) + text({ x, y: plot.bottom + 20, size: 13, anchor: "middle" }, label);
    }),
    ...yTicks.map(({ at, label }) => {
      const y = yOf(at);
      return rule(plot.left, y, plot.right, y) + text({ x: plot.left - 8, y: y + 4, size: 13, anchor: "end" }, label);
    }),
    `<path d="M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}" fill="none" stroke="#333333"/>`,
    text({ x: (plot.left + plot.right) / 2, y: plot.bottom + 46, size: 14, anchor: "middle" }, xTitle),
    `<g transform="translate(22 ${(plot.top + plot.bottom) / 2}) rotate(-90)">${text({ x: 0, y: 0, size: 14, anchor: "middle" }, yTitle)}</g>`,
    ...lines.map(drawLine),
    ...lines.map(drawLegend),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img" aria-label="${escaped(title)}">\n${parts.join("\n")}\n</svg>\n`;
}

function drawLine({ points, hasDots }: Line, index: number): string {
  const path = points.map(({ x, y }, at) => `${at === 0 ? "M" : "L"}${round(xOf(x))} ${round(yOf(y))}`).join("");
  const { colour, dash } = styleOf(index);
  const dots =
    hasDots === true
      ? points
          .map(({ x, y }) => `<circle cx="${round(xOf(x))}" cy="${round(yOf(y))}" r="4" fill="${colour}"/>`)
          .join("")
      : "";
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2.2" stroke-linejoin="round"${dash}/>${dots}`;
}

function drawLegend({ label }: Line, index: number): string {
  const y = plot.top + 14 + index * 26;
  const x = plot.right + 18;
  const { colour, dash } = styleOf(index);
  return (
    `<path d="M${x} ${y}H${x + 28}" stroke="${colour}" stroke-width="2.6"${dash}/>` +
    text({ x: x + 36, y: y + 4, size: 13 }, label)
  );
}

function styleOf(index: number): { colour: string; dash: string } {
  const dash = dashes[Math.floor(index / colours.length) % dashes.length] ?? "";
  const colour = colours[index % colours.length] ?? "#000000";
  return { colour, dash: dash === "" ? "" : ` stroke-dasharray="${dash}"` };
}

interface TextStyle {
  x: number;
  y: number;
  size: number;
  weight?: number;
  fill?: string;
  anchor?: "middle" | "end";
}

function text({ x, y, size, weight = 400, fill = "#222222", anchor }: TextStyle, content: string): string {
  const anchored = anchor === undefined ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" font-weight="${weight}" fill="${fill}"${anchored}>${escaped(content)}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="#e2e2e2"/>`;
}

function xOf(at: number): number {
  return plot.left + clamped(at) * (plot.right - plot.left);
}

function yOf(at: number): number {
  return plot.bottom - clamped(at) * (plot.bottom - plot.top);
}

function clamped(at: number): number {
  return Math.min(1, Math.max(0, at));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
