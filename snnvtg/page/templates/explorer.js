(() => {
"use strict";
{% include "explorer_data.js" %}
{% include "explorer_draw.js" %}
const recordings = [...document.querySelectorAll("script.recording")].map((part) => JSON.parse(part.textContent));
const form = document.getElementById("explorer-controls"), fields = form.elements;
const cursors = { left: { clip: 0, neuron: 0 }, right: { clip: 0, neuron: 0 } };
const panels = [...document.querySelectorAll("#explorer .panel")];
const fill = (name, texts, none = null) => {
  const field = fields[name], before = field.value, options = texts.map((text, place) => new Option(text, place));
  field.replaceChildren(...(none ? [new Option(none, "")] : []), ...options);
  if ([...field.options].some((option) => option.value === before)) field.value = before;
  form.querySelector(`[data-for=${name}]`).hidden = field.options.length < 2;
};
const number = (name) => (fields[name].value === "" ? null : Number(fields[name].value));
const recording = () => recordings[number("recording")];
const video = () => recording().videos[number("video")];
const answerOf = (side) => (number(side) === null ? null : video().answers[number(side)]);
const asked = (answer) => `“${answer.query}”`;
const refill = (changed) => {
  if (!changed) fill("recording", recordings.map((r) => `${r.model}, ${r.data}`));
  if (!changed || changed === "recording") fill("video", recording().videos.map((v) => v.vid));
  if (["left", "right"].includes(changed)) return;
  fill("left", video().answers.map(asked));
  fill("right", video().answers.map(asked), "nothing");
  if (!changed || ["recording", "video"].includes(changed)) {
    fields.left.value = "0";
    fields.right.value = video().answers.length > 1 ? "1" : "";
  }
  const layers = video().answers[0].layers;
  fill("layer", layers.map((layer) => layer.title));
  if (!changed || changed === "recording") fields.layer.value = String(layers.length - 1);
  const layer = layers[number("layer")];
  fill("step", [...Array(layer.shape[0]).keys()].map((t) => `t = ${t + 1}`), "all");
  fill("head", [...Array(layer.num_heads).keys()].map((h) => `head ${h + 1}`), "all");
};
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const told = (answer) => {
  const best = answer.pred_relevant_windows[0], share = overlap(answer);
  const truth = answer.relevant_windows.map(([a, b]) => `${a}–${b} s`).join(", ");
  const words = best ? `predicted ${best[0]}–${best[1]} s (score ${best[2]})` : "no window predicted";
  return `${truth ? `true ${truth}` : "no true window known"}, ${words}${share === null ? "" : `, overlap ${percent(share)}`}.`;
};
const state = (side) => {
  const answer = answerOf(side);
  if (!answer) return null;
  const layer = answer.layers[number("layer")], chosen = chosenOf(layer, number("step"), number("head"));
  const cursor = cursors[side];
  cursor.clip = Math.min(cursor.clip, chosen.L - 1);
  cursor.neuron = Math.min(cursor.neuron, chosen.count - 1);
  return { answer, layer, chosen, sums: summed(chosen), length: recording().clip_length, cursor };
};
const speak = (panel, s) => {
  const { clip, neuron } = s.cursor, c = s.chosen, from = clip * s.length, to = from + s.length;
  const trace = [...Array(c.T).keys()].map((t) => `${c.potential(t, clip, c.first + neuron).toFixed(2)}${c.spike(t, clip, c.first + neuron) ? " spike" : ""}`);
  const score = s.answer.pred_saliency_scores[clip];
  const where = [inside(s.answer.relevant_windows, from, to) ? "in the true window" : "", inside(s.answer.pred_relevant_windows.slice(0, 1), from, to) ? "in the predicted window" : ""].filter(Boolean).join(" and ");
  panel.querySelector(".words").textContent = `Clip ${clip + 1} of ${c.L} (${+from.toFixed(2)} to ${+to.toFixed(2)} s)${where ? `, ${where}` : ""}: ${s.sums.clips[clip]} spikes of ${c.count * c.steps.length}, rate ${percent(s.sums.clipRate[clip])}, level ${s.sums.levels[clip]} of ${c.T}${score === undefined ? "" : `, saliency ${score}`}. Neuron ${c.first + neuron + 1}: rate ${percent(s.sums.neuronRate[neuron])}, potential ${trace.join(", ")} (threshold ${c.threshold}).`;
};
const rows = (table, caption, lines) => {
  table.caption.textContent = caption;
  for (const head of table.tHead.rows[0].cells) head.setAttribute("aria-sort", "none");
  table.tBodies[0].replaceChildren(...lines.map((line) => {
    const row = document.createElement("tr");
    row.append(...line.map((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      cell.className = "n";
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
};
const tables = (panel, s) => {
  const [byClip, byNeuron] = panel.querySelectorAll("table"), c = s.chosen, caption = `${s.layer.title}: ${asked(s.answer)}`;
  rows(byClip, caption, [...Array(c.L).keys()].map((clip) => {
    const from = clip * s.length, yes = (windows) => (inside(windows, from, from + s.length) ? "yes" : "–");
    return [clip + 1, +from.toFixed(2), yes(s.answer.relevant_windows), yes(s.answer.pred_relevant_windows.slice(0, 1)), s.answer.pred_saliency_scores[clip] ?? "–",
      s.sums.clips[clip], s.sums.clipRate[clip].toFixed(3), s.sums.levels[clip], s.sums.mean[clip].toFixed(3)];
  }));
  rows(byNeuron, caption, [...Array(c.count).keys()].map((n) => [c.first + n + 1, Math.floor((c.first + n) / c.each) + 1, s.sums.neurons[n], s.sums.neuronRate[n].toFixed(3), s.sums.top[n].toFixed(3)]));
};
const show = (panel, whole = true) => {
  const s = state(panel.dataset.side);
  panel.hidden = !s;
  if (!s) return;
  panel.querySelector("h3").textContent = asked(s.answer);
  panel.querySelector(".answered").textContent = told(s.answer);
  const canvas = panel.querySelector("canvas");
  canvas.setAttribute("aria-label", `Spikes of ${s.layer.title} over ${s.chosen.L} clips, ${asked(s.answer)}; arrow keys move, the table beneath has the numbers`);
  draw(canvas, s);
  speak(panel, s);
  if (whole) tables(panel, s);
};
const redraw = (whole = true) => panels.forEach((panel) => show(panel, whole));
const moved = (panel, clip, neuron) => {
  const s = state(panel.dataset.side), cursor = cursors[panel.dataset.side];
  cursor.clip = Math.max(0, Math.min(s.chosen.L - 1, clip));
  cursor.neuron = Math.max(0, Math.min(s.chosen.count - 1, neuron));
  show(panel, false);
};
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-1e6, 0], End: [1e6, 0], PageUp: [0, -8], PageDown: [0, 8] };
for (const panel of panels) {
  const canvas = panel.querySelector("canvas"), cursor = cursors[panel.dataset.side];
  canvas.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    moved(panel, cursor.clip + step[0], cursor.neuron + step[1]);
  });
  canvas.addEventListener("click", (event) => {
    const s = state(panel.dataset.side), place = bands(s.chosen), y = event.offsetY;
    const clip = Math.floor(((event.offsetX - LEFT) / (canvas.clientWidth - LEFT - RIGHT)) * s.chosen.L);
    const band = [place.spikes, place.potential].find(({ top, height }) => y >= top && y < top + height);
    moved(panel, clip, band ? Math.floor(((y - band.top) / band.height) * s.chosen.count) : cursor.neuron);
  });
}
form.addEventListener("change", (event) => { refill(event.target.name); redraw(); origin(); });
const origin = () => {
  const r = recording(), p = r.provenance ?? {};
  document.getElementById("explorer-origin").textContent = `Recorded from ${r.model} on ${r.data} data${r.synthetic ? " (synthetic: no camera has seen it)" : ""}: ${p.command ?? "command not said"}; commit ${p.commit ?? "not said"}; ${String(p.time ?? "").replace("T", " ")}.`;
};
addEventListener("resize", () => redraw(false));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(false));
addEventListener("beforeprint", () => redraw(false));
refill();
redraw();
origin();
})();
