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

// Kinds of errors that have not come up need no place in a legend.
function thinLegend(plot) {
  for (const legend of plot.above.filter((model) => model.type === "Legend")) {
    for (const item of legend.items) {
      const values = data.course[`errors.${item.label.value ?? item.label}`];
      if (values) item.visible = values.some((value) => value > 0);
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
