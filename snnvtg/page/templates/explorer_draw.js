// How the explorer draws: bands above one another over the same clips, firing rates of the neurons at the right.
const LEFT = 64, RIGHT = 78, GAP = 22;
const bands = (c) => {
  const neurons = Math.min(200, Math.max(72, 2.4 * c.count));
  const sizes = { windows: 34, saliency: 48, spikes: neurons, potential: neurons, rate: 48, levels: 11 * Math.max(2, c.T) };
  let top = 18;
  const found = {};
  for (const [name, height] of Object.entries(sizes)) {
    found[name] = { top, height };
    top += height + GAP;
  }
  return { ...found, total: top + 12 };
};
const mixed = (from, to, part) => `color-mix(in srgb, ${to} ${Math.round(100 * part)}%, ${from})`;
const draw = (canvas, { answer, chosen: c, sums, length, cursor }) => {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const place = bands(c), width = canvas.clientWidth || 600, ratio = devicePixelRatio || 1;
  canvas.style.height = `${place.total}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(place.total * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.fillStyle = colour("paper");
  g.fillRect(0, 0, width, place.total);
  const plot = width - LEFT - RIGHT, step = plot / c.L, x = (clip) => LEFT + clip * step;
  const font = (size, weight = "") => { g.font = `${weight} ${size}px ${colour("font")}`; };
  const write = (text, left, top, name = "muted", align = "left") => {
    g.fillStyle = colour(name);
    g.textAlign = align;
    g.fillText(text, left, top);
  };
  const second = (s) => x(s / length);
  for (const [start, end] of answer.relevant_windows) {
    g.fillStyle = mixed(colour("paper"), colour("green"), 0.14);
    g.fillRect(second(start), place.windows.top, second(end) - second(start), place.levels.top + place.levels.height - place.windows.top);
  }
  font(11.5);
  const heads = {
    windows: "windows", saliency: "saliency s", spikes: c.steps.length > 1 ? `spikes, all ${c.T} steps within a clip` : `spikes at step ${c.steps[0] + 1}`,
    potential: `membrane potential U${c.steps.length > 1 ? ", largest over steps" : ` at step ${c.steps[0] + 1}`} (threshold ${c.threshold})`,
    rate: "firing rate per clip", levels: "proposal set, level by level",
  };
  for (const [name, words] of Object.entries(heads)) write(words, LEFT, place[name].top - 6);
  windowsBand(g, place.windows, answer, second, colour);
  curve(g, place.saliency, answer.pred_saliency_scores, x, step, colour("blue"), write);
  spikesBand(g, place.spikes, c, x, step, colour);
  potentialBand(g, place.potential, c, x, step, colour);
  bars(g, place.rate, sums.clipRate, x, step, colour("orange"), write);
  for (let level = 1; level <= c.T; level++) {
    const high = place.levels.height / c.T;
    g.fillStyle = mixed(colour("paper"), colour("muted"), 0.25 + (0.75 * level) / c.T);
    sums.levels.forEach((reached, clip) => { if (reached >= level) g.fillRect(x(clip), place.levels.top + (level - 1) * high, step + 0.3, high - 1); });
    font(9);
    if (c.T <= 8) write(String(level), LEFT - 6, place.levels.top + level * high - 2, "muted", "right");
  }
  font(11.5);
  neuronBars(g, place.spikes, sums.neuronRate, width, colour, write);
  traceOf(g, place.potential, c, cursor, width, colour, write);
  write("true", LEFT - 6, place.windows.top + 12, "green", "right");
  write("predicted", LEFT - 6, place.windows.top + 30, "orange", "right");
  for (const name of ["spikes", "potential"]) write("neuron", LEFT - 6, place[name].top + 10, "muted", "right");
  const every = Math.max(1, Math.ceil(c.L / 12 / 5) * 5);
  for (let clip = 0; clip < c.L; clip += every) write(`${+(clip * length).toFixed(2)} s`, x(clip), place.total - 14);
  g.strokeStyle = colour("ink");
  g.lineWidth = 1;
  g.strokeRect(x(cursor.clip) - 0.5, place.windows.top - 2, step + 1, place.levels.top + place.levels.height - place.windows.top + 4);
  for (const name of ["spikes", "potential"]) {
    const y = place[name].top + ((cursor.neuron + 0.5) * place[name].height) / c.count;
    g.beginPath(); g.moveTo(LEFT - 4, y); g.lineTo(LEFT, y); g.moveTo(width - RIGHT, y); g.lineTo(width - RIGHT + 4, y); g.stroke();
  }
};
const windowsBand = (g, band, answer, second, colour) => {
  g.fillStyle = colour("green");
  for (const [start, end] of answer.relevant_windows) g.fillRect(second(start), band.top + 1, second(end) - second(start), 13);
  [...answer.pred_relevant_windows].reverse().forEach(([start, end], place, all) => {
    g.fillStyle = mixed(colour("paper"), colour("orange"), place === all.length - 1 ? 1 : 0.3);
    g.fillRect(second(start), band.top + 19, second(end) - second(start), 13);
  });
};
const curve = (g, band, values, x, step, colour, write) => {
  if (!values.length) { write("the model gives none", x(0), band.top + 20); return; }
  const low = Math.min(...values), high = Math.max(...values), y = (v) => band.top + band.height * (1 - (v - low) / (high - low || 1));
  g.strokeStyle = colour;
  g.lineWidth = 1.8;
  g.beginPath();
  values.forEach((v, clip) => g.lineTo(x(clip) + step / 2, y(v)));
  g.stroke();
  write(high.toFixed(2), LEFT - 6, band.top + 9, "muted", "right");
  write(low.toFixed(2), LEFT - 6, band.top + band.height, "muted", "right");
};
const spikesBand = (g, band, c, x, step, colour) => {
  g.fillStyle = colour("orange");
  const high = band.height / c.count, wide = step / c.steps.length;
  for (let clip = 0; clip < c.L; clip++) for (let n = 0; n < c.count; n++) c.steps.forEach((t, place) => {
    if (c.spike(t, clip, c.first + n)) g.fillRect(x(clip) + place * wide, band.top + n * high, Math.max(1, wide - 0.4), Math.max(1, high - 0.4));
  });
};
const potentialBand = (g, band, c, x, step, colour) => {
  const high = band.height / c.count, paper = colour("paper"), blue = colour("blue"), orange = colour("orange");
  const shades = new Map();
  const shade = (u) => {
    const part = u >= c.threshold ? Math.min(1, 0.45 + (u - c.threshold) / (c.high - c.threshold || 1)) : 0.9 * Math.min(1, Math.abs(c.threshold - u) / (c.threshold - c.low || 1));
    const key = `${u >= c.threshold}${Math.round(part * 16)}`;
    // far below the threshold is deep blue, just below it is pale, above it orange
    if (!shades.has(key)) shades.set(key, mixed(paper, u >= c.threshold ? orange : blue, u >= c.threshold ? part : part));
    return shades.get(key);
  };
  for (let clip = 0; clip < c.L; clip++) for (let n = 0; n < c.count; n++) {
    g.fillStyle = shade(Math.max(...c.steps.map((t) => c.potential(t, clip, c.first + n))));
    g.fillRect(x(clip), band.top + n * high, step + 0.3, high + 0.3);
  }
};
const bars = (g, band, values, x, step, colour, write) => {
  const most = Math.max(...values, 1e-9);
  g.fillStyle = colour;
  values.forEach((v, clip) => g.fillRect(x(clip) + 0.5, band.top + band.height * (1 - v / most), Math.max(1, step - 1), (band.height * v) / most));
  write(`${(100 * most).toFixed(0)} %`, LEFT - 6, band.top + 9, "muted", "right");
  write("0", LEFT - 6, band.top + band.height, "muted", "right");
};
const neuronBars = (g, band, rates, width, colour, write) => {
  const most = Math.max(...rates, 1e-9), high = band.height / rates.length, room = RIGHT - 16;
  g.fillStyle = colour("orange");
  rates.forEach((rate, n) => g.fillRect(width - RIGHT + 8, band.top + n * high, (room * rate) / most, Math.max(1, high - 0.5)));
  write(`0 to ${(100 * most).toFixed(0)} %`, width - RIGHT + 8, band.top - 6);
};
const traceOf = (g, band, c, cursor, width, colour, write) => {
  const left = width - RIGHT + 12, room = RIGHT - 22, tall = Math.min(70, band.height);
  const y = (u) => band.top + tall * (1 - (u - c.low) / (c.high - c.low || 1)), at = (t) => left + (c.T > 1 ? (room * t) / (c.T - 1) : room / 2);
  g.strokeStyle = colour("muted");
  g.setLineDash([3, 3]);
  g.beginPath(); g.moveTo(left - 4, y(c.threshold)); g.lineTo(left + room + 4, y(c.threshold)); g.stroke();
  g.setLineDash([]);
  g.strokeStyle = colour("ink");
  g.beginPath();
  for (let t = 0; t < c.T; t++) g.lineTo(at(t), y(c.potential(t, cursor.clip, c.first + cursor.neuron)));
  g.stroke();
  for (let t = 0; t < c.T; t++) {
    g.fillStyle = colour(c.spike(t, cursor.clip, c.first + cursor.neuron) ? "orange" : "ink");
    g.beginPath(); g.arc(at(t), y(c.potential(t, cursor.clip, c.first + cursor.neuron)), 2.6, 0, 7); g.fill();
  }
  write("U over T", left - 4, band.top - 6);
};
