"use strict";
// The page's charts and maps. Texts of the data are never HTML: Plotly reads some tags, so they are escaped before.
const DATA = JSON.parse(document.getElementById("data").textContent);
const CONFIG = {displayModeBar: false, responsive: true, scrollZoom: false};
const TOUCH = matchMedia("(pointer: coarse)").matches;
const PRINT_WIDTH = 640;  // pixels that fit on a sheet of A4
const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const cut = (text, most) => plain(text.length > most ? `${text.slice(0, most - 1)}…` : text);  // a long label leaves no room for the plot
const short = value => value === null || value === undefined ? "" : String(Number(value.toPrecision(4)));
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const place = step => Math.log10(1 + step);  // an axis that is logarithmic and has a 0
const redraws = [];

function layout(more) {
  const axis = {gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--soft"), automargin: true, title: {standoff: 8}};
  const own = {...more};
  own.xaxis = {...axis, ...more.xaxis};
  own.yaxis = {...axis, ...more.yaxis};
  return {
    paper_bgcolor: color("--page"), plot_bgcolor: color("--page"), font: {color: color("--text"), size: 12},
    margin: {l: 50, r: 12, t: 8, b: 40}, dragmode: TOUCH ? false : "zoom",
    hoverlabel: {bgcolor: color("--card"), bordercolor: color("--soft"), font: {color: color("--text")}}, ...own,
  };
}

function steps(last) {
  const found = [0];
  for (let power = 1; power <= last; power *= 10) found.push(power, 3 * power);
  return found.filter(step => step <= last);
}

function faded(rgb) {
  const n = parseInt(rgb.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, 0.18)`;
}

function traces(chart) {
  const made = [], beside = chart.markers ? 0.7 / chart.series.length : 0;
  for (const [index, series] of chart.series.entries()) {
    const aside = beside * (index - (chart.series.length - 1) / 2);  // so that no bar covers another
    const at = chart.log_x ? series.x.map(place) : series.x.map(x => x + aside);
    const own = color(`--c${series.color % 8}`), banded = series.low.length > 0;
    const texts = series.x.map((x, i) => {
      const reach = banded ? ` [${short(series.low[i])}, ${short(series.high[i])}]` : "";
      const where = chart.ticks.length ? chart.ticks[x] : `${chart.x} ${x}`;
      return `${plain(series.name)}<br>${plain(where)}<br>${short(series.y[i])}${reach}`;
    });
    if (banded && !chart.markers) {
      const edge = {x: at, mode: "lines", line: {width: 0}, hoverinfo: "skip", meta: index};
      made.push({...edge, y: series.low}, {...edge, y: series.high, fill: "tonexty", fillcolor: faded(own)});
    }
    const trace = {
      x: at, y: series.y, meta: index, text: texts, hovertemplate: "%{text}<extra></extra>",
      mode: chart.markers ? "markers" : "lines", line: {color: own, dash: series.dash, width: 2},
      marker: {color: own, size: 7, symbol: series.color % 8},
    };
    if (chart.markers && banded) {
      const up = series.high.map((high, i) => high === null ? 0 : high - series.y[i]), down = series.low.map((low, i) => low === null ? 0 : series.y[i] - low);
      trace.error_y = {type: "data", symmetric: false, array: up, arrayminus: down, color: own, thickness: 1.5};
    }
    made.push(trace);
  }
  return made;
}

function drawChart(figure, chart) {
  const box = figure.querySelector(".plot");
  const xaxis = {title: {text: cut(chart.x, 50), standoff: 8}};
  if (chart.log_x) {
    const last = Math.max(1, ...chart.series.flatMap(series => series.x)), ticks = steps(last);
    Object.assign(xaxis, {tickvals: ticks.map(place), ticktext: ticks.map(String), range: [0, place(last) * 1.02], zeroline: false});
  } else if (chart.ticks.length) {
    const all = chart.ticks.map((_, i) => i);
    Object.assign(xaxis, {tickvals: all, ticktext: chart.ticks.map(tick => cut(tick, 24)), range: [-0.6, all.length - 0.4]});
  }
  const yaxis = {title: {text: plain(chart.y), standoff: 8}, type: chart.log_y ? "log" : "linear", exponentformat: "power"};
  if (chart.y_range) Object.assign(yaxis, {range: chart.y_range});
  const hidden = new Set(), legend = figure.querySelector(".legend");
  const start = {xaxis: xaxis.range, yaxis: chart.y_range};
  const draw = width => {
    const shown = traces(chart).map(trace => ({...trace, visible: !hidden.has(trace.meta)}));
    const more = {xaxis, yaxis, showlegend: false, hovermode: "closest", hoverdistance: 40, width, uirevision: "kept"};
    Plotly.react(box, shown, layout(more), CONFIG);
  };
  for (const [index, button] of legend.querySelectorAll("button").entries()) {
    button.disabled = false;
    button.addEventListener("click", () => {
      if (!hidden.delete(index)) hidden.add(index);
      button.setAttribute("aria-pressed", String(!hidden.has(index)));
      draw();
    });
  }
  redraws.push(draw);
  draw();
  const zoom = factor => {
    const changed = {};
    for (const name of ["xaxis", "yaxis"]) {
      if (factor === "reset") {
        if (start[name]) changed[`${name}.range`] = start[name]; else changed[`${name}.autorange`] = true;
        continue;
      }
      const [low, high] = box._fullLayout[name].range, middle = (low + high) / 2, half = (high - low) / 2 * factor;
      changed[`${name}.range`] = [middle - half, middle + half];
    }
    Plotly.relayout(box, changed);
  };
  figure.querySelector(".buttons").hidden = false;
  for (const button of figure.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(button.dataset.zoom === "reset" ? "reset" : Number(button.dataset.zoom)));
  }
}

async function unpacked(map) {
  const bytes = Uint8Array.from(atob(map.values), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const view = new DataView(await new Response(stream).arrayBuffer()), values = new Int16Array(view.byteLength / 2);
  for (let i = 0, sum = 0; i < values.length; i++) {
    sum = view.getInt16(2 * i, true) + (i % map.steps.length ? sum : 0);
    values[i] = sum;
  }
  return values;
}

async function drawMaps(box, maps) {
  const all = await Promise.all(maps.map(unpacked));
  const control = name => box.querySelector(`.controls [data-of=${name}]`);
  const step = control("step"), replica = control("replica"), own = control("own");
  const drawn = maps.map((map, m) => drawMap(box.querySelector(`[data-map="${m}"]`), map, all[m], step, replica, own));
  for (const each of box.querySelectorAll(".controls")) each.hidden = false;
  const draw = width => {
    const now = maps[0].steps[Number(step.value)];
    step.setAttribute("aria-valuetext", `step ${now}`);
    box.querySelector("output").textContent = now;
    drawn.forEach(one => one(width));
  };
  for (const one of [step, replica, own]) one.addEventListener("input", () => draw());
  redraws.push(draw);
  draw();
}

function drawMap(figure, map, values, step, replica, own) {
  const box = figure.querySelector(".plot"), head = figure.querySelector("[data-of=head]"), numbers = figure.querySelector("[data-numbers]");
  const heads = map.heads.length, features = map.features.length, times = map.steps.length;
  const neurons = map.neurons.length / (map.replicas.length * heads), lucky = new Set(map.lucky);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) * map.unit;
  let shown = null;
  const draw = width => {
    const first = (Number(replica.value) * heads + Number(head.value)) * neurons, z = [], texts = [], x = [], y = [], names = [];
    for (let n = 0; n < neurons; n++) {
      const row = [], text = [];
      names.push(map.neurons[first + n]);
      for (let f = 0; f < features; f++) {
        const at = (first + n) * features + f, value = values[at * times + Number(step.value)] * map.unit;
        row.push(value);
        text.push(`neuron ${names[n]}, feature ${plain(map.features[f])}<br>⟨w, v⟩ = ${short(value)}${lucky.has(at) ? "<br>lucky" : ""}`);
        if (lucky.has(at)) { x.push(f); y.push(n); }
      }
      z.push(row);
      texts.push(text);
    }
    const most = own.checked ? Math.max(0, ...z.flat().map(Math.abs)) || 1 : largest || 1;
    const scale = [[0, color("--low")], [0.5, color("--middle")], [1, color("--high")]];
    const heat = {type: "heatmap", z, text: texts, hovertemplate: "%{text}<extra></extra>", zmin: -most, zmax: most, colorscale: scale, xgap: 1, ygap: 1, colorbar: {thickness: 10, len: 0.9, outlinewidth: 0}};
    const marks = {type: "scatter", x, y, mode: "markers", hoverinfo: "skip", showlegend: false, marker: {symbol: "circle-open", size: 6, line: {width: 1.2}, color: color("--mark")}};
    const every = Math.max(1, Math.ceil(neurons / 20)), kept = [...Array(neurons).keys()].filter(n => n % every === 0);
    const xaxis = {title: {text: "feature", standoff: 8}, tickvals: map.features.map((_, f) => f), ticktext: map.features.map(name => cut(name, 12)), showgrid: false, zeroline: false, tickangle: features > 12 ? -90 : 0, tickfont: {size: 10}};
    const yaxis = {title: {text: "neuron", standoff: 4}, tickvals: kept, ticktext: kept.map(n => names[n]), autorange: "reversed", showgrid: false, zeroline: false, tickfont: {size: 10}};
    Plotly.react(box, [heat, marks], layout({xaxis, yaxis, width, uirevision: "kept"}), CONFIG);
    shown = {z, names};
    if (numbers.open) fill();
  };
  const fill = () => {
    const table = document.createElement("table"), line = (parent, cells, tag) => {
      const row = parent.insertRow();
      cells.forEach((cell, i) => {
        const one = document.createElement(i && tag === "td" ? "td" : "th");
        one.scope = tag === "th" ? "col" : "row";
        one.textContent = cell;
        row.append(one);
      });
    };
    line(table.createTHead(), ["neuron", ...map.features], "th");
    const body = table.createTBody();
    shown.z.forEach((row, n) => line(body, [shown.names[n], ...row.map(value => value.toPrecision(3))], "td"));
    numbers.querySelector(".wide").replaceChildren(table);
  };
  numbers.addEventListener("toggle", () => { if (numbers.open) fill(); });
  head.addEventListener("input", () => draw());
  return draw;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.textContent = "Copied";
  });
}
for (const chart of DATA.charts) drawChart(document.querySelector(`[data-chart="${chart.id}"]`), chart);
Promise.all(DATA.maps.map((maps, i) => drawMaps(document.querySelector(`[data-maps="${i}"]`), maps)))
  .then(() => { document.documentElement.dataset.drawn = "yes"; });
const again = width => redraws.forEach(draw => draw(width));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => again());
addEventListener("beforeprint", () => { document.documentElement.dataset.print = "yes"; again(PRINT_WIDTH); });
addEventListener("afterprint", () => { delete document.documentElement.dataset.print; again(); });
