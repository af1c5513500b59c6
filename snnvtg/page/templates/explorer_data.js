// What the explorer reads: a layer's spikes and potentials, and sums over what is chosen of them.
const unpacked = new WeakMap();
const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
const opened = (layer) => {
  if (!unpacked.has(layer)) unpacked.set(layer, { spikes: bytes(layer.spikes), potential: bytes(layer.potential) });
  return unpacked.get(layer);
};
// the layer as chosen: its steps, its neurons from `first` on, and functions of (step, clip, neuron)
const chosenOf = (layer, step, head) => {
  const [T, L, C] = layer.shape, each = C / layer.num_heads, data = opened(layer);
  const at = (t, clip, neuron) => (t * L + clip) * C + neuron;
  const scale = (layer.high - layer.low) / 255;
  return {
    T, L, steps: step === null ? [...Array(T).keys()] : [step],
    first: head === null ? 0 : head * each, count: head === null ? C : each, each,
    spike: (t, clip, neuron) => {
      const place = at(t, clip, neuron);
      return (data.spikes[place >> 3] >> (7 - (place & 7))) & 1;
    },
    potential: (t, clip, neuron) => layer.low + scale * data.potential[at(t, clip, neuron)],
    threshold: layer.v_threshold, low: layer.low, high: layer.high,
  };
};
const summed = (c) => {
  const clips = new Array(c.L).fill(0), neurons = new Array(c.count).fill(0), all = new Array(c.L).fill(0);
  const mean = new Array(c.L).fill(0), top = new Array(c.count).fill(-Infinity);
  for (let clip = 0; clip < c.L; clip++) {
    for (let n = 0; n < c.count; n++) {
      for (const t of c.steps) {
        const fired = c.spike(t, clip, c.first + n), u = c.potential(t, clip, c.first + n);
        clips[clip] += fired;
        neurons[n] += fired;
        mean[clip] += u / (c.count * c.steps.length);
        if (u > top[n]) top[n] = u;
      }
      for (let t = 0; t < c.T; t++) all[clip] += c.spike(t, clip, c.first + n);
    }
  }
  // level k of the proposal set: clips whose rate over every step is at least k / T
  const levels = all.map((sum) => Math.floor(sum / c.count + 1e-9));
  const shareOf = (sum, of) => sum / of;
  return {
    clips, neurons, mean, top, levels,
    clipRate: clips.map((sum) => shareOf(sum, c.count * c.steps.length)),
    neuronRate: neurons.map((sum) => shareOf(sum, c.L * c.steps.length)),
  };
};
const inside = (windows, from, to) => windows.some(([a, b]) => Math.min(b, to) - Math.max(a, from) > 1e-6);
const overlap = (answer) => {
  if (!answer.relevant_windows.length || !answer.pred_relevant_windows.length) return null;
  const [a, b] = answer.pred_relevant_windows[0];
  return Math.max(...answer.relevant_windows.map(([s, e]) => {
    const shared = Math.max(0, Math.min(b, e) - Math.max(a, s));
    return shared / (b - a + e - s - shared);
  }));
};
