// The charts, drawn when the text has been painted: Bokeh's models out of JSON, data and colours from the page.

const held = JSON.parse(document.getElementById("chart-data").textContent);
const known = (values) => values.map((value) => (value === null ? NaN : value));
const columns = (source) => Object.fromEntries(Object.entries(source).map(([name, values]) => [name, known(values)]));
const data = Object.fromEntries(Object.entries(held.sources).map(([name, source]) => [name, columns(source)]));
const plots = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function models(plot) {
  return [...plot.references()];
}

function paint(plot) {
  const text = colour("text"), quiet = colour("quiet"), line = colour("line"), ground = colour("ground");
  plot.setv({ background_fill_color: ground, border_fill_color: ground, border_line_color: ground, outline_line_color: line });
  for (const model of models(plot)) {
    if (model.major_label_text_color !== undefined) {
      model.setv({
        major_label_text_color: quiet, axis_label_text_color: quiet, axis_label_text_font_style: "normal",
        axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
      });
    } else if (model.type === "Grid") model.setv({ grid_line_color: line, grid_line_alpha: 0.6 });
    else if (model.type === "Legend") {
      model.setv({ background_fill_color: ground, label_text_color: text, inactive_fill_color: ground, inactive_fill_alpha: 0.7 });
    }
    const tags = model.tags || [];
    const series = tags.find((tag) => typeof tag === "string" && tag.startsWith("series-"));
    if (series && model.glyph) paintGlyph(model.glyph, colour(series));
    if (tags.includes("finding")) paintFinding(model, colour("bad"));
  }
}

function paintGlyph(glyph, value) {
  if ("line_color" in glyph.attributes) glyph.line_color = { value };
  if ("fill_color" in glyph.attributes) glyph.fill_color = { value };
}

function paintFinding(model, value) {
  if (model.type === "Label") model.text_color = value;
  else model.setv({ fill_color: value, line_color: value });
}

function fill(plot) {
  for (const model of models(plot)) {
    if (model.type === "ColumnDataSource" && data[model.name]) model.data = data[model.name];
  }
}

// All charts over time show the same stretch.
let linking = false;
function link(plot) {
  const range = plot.x_range;
  if (range.name !== "time") return;
  range.change.connect(() => {
    if (linking) return;
    linking = true;
    for (const other of plots) {
      if (other !== plot && other.x_range.name === "time") other.x_range.setv({ start: range.start, end: range.end });
    }
    linking = false;
  });
}

// What a chart shows its caption says: its tools are for pointers, and no thirty stops on the way to the table.
function passOver(element) {
  for (const one of element.querySelectorAll("*")) {
    if (one.tabIndex >= 0) one.tabIndex = -1;
    if (one.shadowRoot) passOver(one.shadowRoot);
  }
}

async function drawOne(id, item) {
  const views = await Bokeh.embed.embed_item(item, `plot-${id}`);
  const plot = views.roots[0].model;
  plots.push(plot);
  fill(plot);
  paint(plot);
  link(plot);
  setTimeout(() => passOver(document.getElementById(`plot-${id}`)), 200);
}

async function drawAll() {
  for (const [id, item] of Object.entries(held.items)) {
    try {
      await drawOne(id, item);
    } catch (fault) {
      document.getElementById(`plot-${id}`).textContent = `this chart could not be drawn: ${fault.message}`;
    }
    await new Promise((resolve) => { setTimeout(resolve); });
  }
  performance.mark("charts shown");
}

Bokeh.logger.set_level("error");
requestAnimationFrame(() => setTimeout(drawAll));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(paint));
