// The charts of a run that goes on: new data each second, and a time axis that grows until somebody zooms.

function setPercentiles(plots) {
  for (const [name, plot] of Object.entries(plots)) {
    const within = plot.filter(([percent]) => percent < 100).map(([percent]) => 100 / (100 - percent));
    const last = Math.max(1, ...within);
    data[`percentiles:${name}`] = {
      x: plot.map(([percent]) => (percent < 100 ? 100 / (100 - percent) : last * 2)),
      percentile: plot.map(([percent]) => percent),
      seconds: plot.map(([, seconds]) => seconds),
    };
  }
}

function setCourse(course) {
  const rows = course.at.length, whole = { ...course };
  for (const name of Object.keys(data.course)) whole[name] = whole[name] || new Array(rows).fill(0);
  data.course = columns(whole);
}

const shownUntil = new Map();
function grow(plot, until) {
  const range = plot.x_range;
  if (range.name !== "time") return;
  const before = shownUntil.get(plot);
  if (before !== undefined && Math.abs(range.end - before) > 1e-6) return;
  range.end = until;
  shownUntil.set(plot, until);
}

// What a series draws; null where it is a border, which has no data of its own.
function valuesOf(item) {
  for (const renderer of item.renderers) {
    const source = renderer.data_source && data[renderer.data_source.name];
    if (!source) continue;
    const label = item.label.value ?? item.label, field = renderer.glyph.y && renderer.glyph.y.field;
    return source[`errors.${label}`] ?? source[field] ?? [];
  }
  return null;
}

const seriesOf = (item) => item.renderers.flatMap((renderer) => renderer.tags).find((tag) => String(tag).startsWith("series-"));

// What has nothing to show, as kinds of errors that have not come up or frames in a chat, needs no place in a legend,
// and neither does its border.
function thinLegend(plot) {
  for (const legend of plot.above.filter((model) => model.type === "Legend")) {
    const empty = new Set();
    for (const item of legend.items) {
      const values = valuesOf(item);
      if (values === null) continue;
      item.visible = values.some((value) => (item.renderers[0].glyph.type === "Quad" ? value > 0 : Number.isFinite(value)));
      if (!item.visible) empty.add(seriesOf(item));
    }
    for (const item of legend.items.filter((one) => valuesOf(one) === null)) {
      const shown = !empty.has(seriesOf(item));
      if (item.visible === shown) continue;
      item.visible = shown;
      for (const renderer of item.renderers) renderer.visible = shown;
    }
  }
}

document.addEventListener("run-stands", (event) => {
  const state = event.detail, until = Math.max(1, state.at_s);
  setCourse(state.columns);
  setPercentiles(state.percentile_plots);
  linking = true;
  for (const plot of plots) {
    fill(plot);
    grow(plot, until);
    thinLegend(plot);
  }
  linking = false;
});
