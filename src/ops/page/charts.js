"use strict";
// Small charts as inline SVG: one line for each node, a gap where nothing was measured.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320, HEIGHT = 92, LEFT = 0, TOP = 4, BOTTOM = 4;

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// The next number that people like: 1, 2 or 5 times a power of ten, of bytes in their unit.
function roundUp(value, isBytes) {
  if (!(value > 0)) return 1;
  if (isBytes && value >= 1024) return 1024 * roundUp(value / 1024, true);
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) if (step * power >= value) return step * power;
  return 10 * power;
}

// lines: [{ name, style, values }], the newest value last; `length`: points of a full hour.
function chart(title, lines, format, length, stepMs) {
  const isBytes = format(1).endsWith(" B");
  const all = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const top = roundUp(all.reduce((most, value) => Math.max(most, value), 0), isBytes);
  const x = (at, count) => LEFT + (WIDTH - LEFT) * (length - count + at + 1) / length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const now = lines.map((line) => ({ line, value: line.values.at(-1) })).filter((last) => last.value !== null && last.value !== undefined);
  const told = now.map((last) => `${last.line.name} ${format(last.value)}`).join(", ");
  const span = Math.round(length * stepMs / 60000);
  const figure = document.createElement("figure");
  figure.className = "chart";
  const caption = document.createElement("figcaption");
  const heading = document.createElement("h3");
  heading.textContent = title;
  const sum = document.createElement("span");
  sum.className = "quiet";
  sum.textContent = now.length === 1 ? format(now[0].value) : now.length ? `up to ${format(Math.max(...now.map((last) => last.value)))}` : "nothing yet";
  caption.append(heading, sum);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} over the last ${span} minutes; now: ${told || "nothing"}`,
    preserveAspectRatio: "none" });
  for (const share of [0, 0.5, 1]) {
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(share * top), y2: y(share * top) }));
  }
  for (const line of lines) {
    let path = "", isOpen = false;
    line.values.forEach((value, at) => {
      if (value === null) { isOpen = false; return; }
      path += `${isOpen ? "L" : "M"}${x(at, line.values.length).toFixed(1)} ${y(value).toFixed(1)}`;
      // A point without neighbours would not be seen.
      if (!isOpen && (line.values[at + 1] ?? null) === null) path += "h1";
      isOpen = true;
    });
    if (path) picture.append(svg("path", { class: `line ${line.style}`, d: path }));
  }
  const labels = document.createElement("p");
  labels.className = "axis quiet";
  for (const text of [`−${span} min`, `0 to ${format(top)}`, "now"]) {
    const label = document.createElement("span");
    label.textContent = text;
    labels.append(label);
  }
  figure.append(caption, picture, labels);
  return figure;
}

// How full something is.
function bar(share, severity) {
  const width = Math.max(0, Math.min(1, share || 0)) * 54;
  const picture = svg("svg", { class: `bar ${severity || ""}`, viewBox: "0 0 54 6", "aria-hidden": "true" });
  picture.append(svg("rect", { class: "ground", width: 54, height: 6, rx: 3 }), svg("rect", { class: "fill", width, height: 6, rx: 3 }));
  return picture;
}
