"use strict";
(async () => {
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const packed = Uint8Array.from(atob($("data").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = JSON.parse(await new Response(stream).text());
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const key = (n) => colour("k" + (n % 6));
  const day = (s) => new Date(s * 1000).toISOString().replace("T", " ").slice(0, 16);
  const count = (n) => n.toLocaleString("en");
  // Moments on an axis: days where a step is a day or more, else hours, with the day at each midnight.
  const moments = (_, all, __, ___, step) => all.map((s) => step >= 86400 || s % 86400 === 0 ? day(s).slice(0, 10) : day(s).slice(11));
  const charts = [];
  let paper = 0;
  const width = (box) => paper ? Math.min(paper, box.parentElement.clientWidth || paper) : Math.max(240, box.clientWidth);
  const axis = (more) => ({
    stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line") },
    font: "12px system-ui, sans-serif", ...more,
  });

  // Draws a chart into its place; the one that stood there before goes.
  function chart(id, height, options, columns) {
    const box = $(id);
    const old = charts.findIndex((one) => one.id === id);
    if (old >= 0) { charts[old].plot.destroy(); charts.splice(old, 1); }
    const plot = new uPlot({ width: width(box), height, ...options }, columns, box);
    charts.push({ id, box, height, plot });
    return plot;
  }
  function fit() {
    for (const { box, height, plot } of charts) { plot.setSize({ width: width(box), height }); }
    if (shown) { strip(); }
  }
  let waiting = 0;
  new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(fit); }).observe($("numbers-chart"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { charts.forEach((one) => one.plot.redraw(false)); });
  addEventListener("beforeprint", () => { root.dataset.print = "1"; paper = 680; fit(); charts.forEach((one) => one.plot.redraw(false)); });
  addEventListener("afterprint", () => { delete root.dataset.print; paper = 0; fit(); charts.forEach((one) => one.plot.redraw(false)); });

  // --- a SKU through time ---------------------------------------------------------------------------

  let shown = null;

  // Turns the triples of a SKU into columns: what there was, what each channel showed, where too much was sold.
  function course(design, sku) {
    const packed = (data.lines[design] || {})[sku] || [];
    const opening = data.opening[sku];
    const channels = data.channels.length;
    const time = [data.begin], there = [opening], show = data.channels.map(() => [opening]), over = [null];
    const writes = data.channels.map(() => []);
    let at = data.begin, truth = opening, oversold = 0, refused = 0;
    const now = data.channels.map(() => opening);
    for (let n = 0; n < packed.length; n += 3) {
      at += packed[n];
      const code = packed[n + 1], value = packed[n + 2];
      let mark = null;
      if (code === 0) { truth = value; }
      else if (code > 0) {
        const channel = (code - 1) >> 1;
        now[channel] = value;
        if (code % 2 === 0) { writes[channel].push(at); }
      } else if (code < -data.refused) { refused += value; }
      else { oversold += value; mark = Math.max(0, truth); }
      if (time[time.length - 1] !== at) {
        time.push(at); there.push(truth); over.push(mark);
        for (let c = 0; c < channels; c++) { show[c].push(now[c]); }
      } else {
        const last = time.length - 1;
        there[last] = truth;
        if (mark !== null) { over[last] = mark; }
        for (let c = 0; c < channels; c++) { show[c][last] = now[c]; }
      }
    }
    if (time[time.length - 1] < data.end) {
      time.push(data.end); there.push(truth); over.push(null);
      for (let c = 0; c < channels; c++) { show[c].push(now[c]); }
    }
    const windows = show.map((values) => stale(time, there, values));
    return { time, there, show, over, writes, windows, oversold, refused };
  }

  // When a channel's number was not what there was: [from, to, whether it was too high].
  function stale(time, there, values) {
    const found = [];
    for (let n = 0; n + 1 < time.length; n++) {
      const off = values[n] - Math.max(0, there[n]);
      if (!off) { continue; }
      const last = found[found.length - 1];
      if (last && last[1] === time[n] && last[2] === off > 0) { last[1] = time[n + 1]; }
      else { found.push([time[n], time[n + 1], off > 0]); }
    }
    return found;
  }

  function named(sku) {
    const title = data.titles[sku];
    return title && title !== sku ? `${sku} ${title}` : sku;  // a history may have no descriptions
  }

  function draw() {
    const design = $("design").value, sku = $("sku").value;
    if (!(sku in data.opening)) { $("about").textContent = "This SKU is not among those kept on this page."; return; }
    const one = shown = course(design, sku);
    const off = one.windows.map((all) => all.reduce((sum, [from, to]) => sum + to - from, 0));
    const longest = Math.max(0, ...one.windows.flat().map(([from, to]) => to - from));
    $("about").textContent = `${named(sku)}: ${count(one.oversold)} units oversold, ${count(one.refused)} hidden; ` +
      `${count(one.writes.flat().length)} writes; wrong for ${data.channels.map((name, c) => `${span(off[c])} on ${name}`).join(", ")}; ` +
      `longest at once ${span(longest)}.`;
    const steps = uPlot.paths.stepped({ align: 1 });
    const plot = chart("numbers-chart", 300, {
      cursor: { drag: { x: true, y: false } },
      scales: { x: { time: true } },
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      axes: [axis({ values: moments, space: 80 }), axis({ size: 56, values: (_, all) => all.map(count) })],
      series: [
        { value: (_, s) => s === null ? "" : day(s) + " UTC" },
        { label: "there was", stroke: () => colour("ink"), width: 2, paths: steps, points: { show: false } },
        ...data.channels.map((name, c) => ({ label: name + " showed", stroke: () => key(c + 1), width: 1.25, paths: steps, points: { show: false } })),
        { label: "oversold", stroke: () => colour("bad"), paths: () => null, points: { show: true, size: 9, fill: () => colour("bad") }, value: (_, v) => v === null ? "" : "here" },
      ],
      hooks: { drawClear: [shade], setScale: [(_, scale) => { if (scale === "x") { requestAnimationFrame(strip); } }] },
    }, [one.time, one.there, ...one.show, one.over]);
    plot.root.addEventListener("dblclick", strip);
    strip();
  }
  function span(s) {
    if (s < 60) { return `${s} s`; }
    if (s < 3600) { return `${Math.round(s / 60)} min`; }
    return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`;
  }
  function shade(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const high of [false, true]) {
      ctx.fillStyle = colour(high ? "high" : "low");
      for (const [from, to, tooHigh] of shown.windows.flat()) {
        if (tooHigh !== high) { continue; }
        const left = Math.max(bbox.left, plot.valToPos(from, "x", true)), right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
        if (right > bbox.left && left < bbox.left + bbox.width) { ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height); }
      }
    }
    ctx.restore();
  }

  // The strip: a row for each channel, over the same time as the chart above it.
  function strip() {
    const held = charts.find((one) => one.id === "numbers-chart");
    if (!held || !shown) { return; }
    const plot = held.plot, ratio = devicePixelRatio || 1;
    const left = plot.bbox.left / ratio, wide = plot.bbox.width / ratio, all = plot.width, rise = 26;
    const { min, max } = plot.scales.x;
    const x = (s) => left + (s - min) / (max - min) * wide;
    const parts = [];
    data.channels.forEach((name, c) => {
      const y = 14 + c * rise;
      parts.push(`<line class="row" x1="${left}" x2="${left + wide}" y1="${y}" y2="${y}"/><text x="${left - 10}" y="${y + 4}" text-anchor="end">${name}</text>`);
      for (const [from, to, high] of shown.windows[c]) {
        if (to < min || from > max) { continue; }
        const a = Math.max(left, x(from)), b = Math.min(left + wide, x(to));
        parts.push(`<rect class="${high ? "high" : "low"}" x="${a.toFixed(1)}" width="${Math.max(1, b - a).toFixed(1)}" y="${y - 9}" height="18"/>`);
      }
      let before = -9; // dots that would cover one another fall together
      for (const at of shown.writes[c]) {
        if (at < min || at > max || x(at) - before < 1.5) { continue; }
        before = x(at);
        parts.push(`<circle class="write" cx="${before.toFixed(1)}" cy="${y}" r="2.6"/>`);
      }
    });
    $("strip").innerHTML = `<svg viewBox="0 0 ${all} ${data.channels.length * rise}" height="${data.channels.length * rise}" preserveAspectRatio="none">${parts.join("")}</svg>`;
  }

  const skus = Object.keys(data.opening);
  $("skus").innerHTML = "";
  for (const sku of skus) {
    const one = document.createElement("option");
    one.value = sku;
    one.label = data.titles[sku] || sku;
    $("skus").append(one);
  }
  for (const name of data.designs) { $("design").append(new Option(name, name)); }
  function step(by) {
    const at = skus.indexOf($("sku").value);
    $("sku").value = skus[(Math.max(0, at) + by + skus.length) % skus.length];
    draw();
  }
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("whole").addEventListener("click", draw);
  $("sku").addEventListener("change", draw);
  $("design").addEventListener("change", draw);

  // --- lags -----------------------------------------------------------------------------------------

  const time = (ms) => ms < 1000 ? `${ms} ms` : span(Math.round(ms / 1000));
  for (const flow of ["inventory", "orders"]) {
    const series = [{ value: (_, ms) => ms === null ? "" : time(ms) }], columns = [data.edges];
    data.designs.forEach((name, n) => {
      const spread = (data.spread[name] || {})[flow] || [];
      const all = spread.reduce((a, b) => a + b, 0);
      if (!all) { return; }
      let sum = 0;
      columns.push(data.edges.map((_, at) => 100 * (sum += spread[at]) / all));
      series.push({ label: name, stroke: () => key(n), width: 2, points: { show: false }, value: (_, v) => v === null ? "" : v.toFixed(1) + " %" });
    });
    // The part of the scale in which anything happens.
    const low = data.edges.findIndex((_, at) => columns.some((column, n) => n && column[at] > 0.1));
    const high = data.edges.findIndex((_, at) => columns.every((column, n) => !n || column[at] > 99.999));
    const ends = [data.edges[Math.max(0, low - 2)], data.edges[high < 0 ? data.edges.length - 1 : Math.min(high + 1, data.edges.length - 1)]];
    if (columns.length === 1) { $("lag-" + flow).textContent = "Not measured: with a buffer, a channel's number is not meant to be what there is."; continue; }
    chart("lag-" + flow, 240, {
      scales: { x: { time: false, distr: 3, range: () => ends }, y: { range: [0, 100] } }, cursor: { drag: { x: false, y: false } },
      axes: [axis({ splits: (_, __, min, max) => [10, 100, 1000, 10000, 60000, 600000, 3600000, 86400000].filter((ms) => ms >= min && ms <= max), values: (_, all) => all.map(time), filter: (_, all) => all, space: 20 }), axis({ values: (_, all) => all.map((v) => v + " %") })],
      series,
    }, columns);
  }

  // --- calls ----------------------------------------------------------------------------------------

  function calls() {
    const system = $("system").value;
    const first = Math.floor(data.begin / 3600), last = Math.floor(data.end / 3600);
    const hours = Array.from({ length: last - first + 1 }, (_, n) => (first + n) * 3600);
    const columns = [hours], series = [{ value: (_, s) => s === null ? "" : day(s) + " UTC" }];
    let peak = 0, whose = "";
    data.designs.forEach((name, n) => {
      const counted = (data.hours[name] || {})[system] || {};
      const values = hours.map((_, at) => counted[first + at] || 0);
      for (const value of values) { if (value > peak) { peak = value; whose = name; } }
      columns.push(values);
      series.push({ label: name, stroke: () => key(n), width: 1.25, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) });
    });
    const limit = system === data.erp ? 0 : 3600 * data.limit;
    if (limit) {
      columns.push(hours.map(() => limit));
      series.push({ label: "limit", stroke: () => colour("bad"), dash: [6, 4], width: 1.5, points: { show: false } });
    }
    $("calls-note").textContent = (peak ? `The busiest hour has ${count(peak)} calls (${whose})` : "No calls") +
      (limit ? `, ${(100 * peak / limit).toFixed(1)} % of the ${count(limit)} that are allowed. ` : ". ") + "The scale is logarithmic above 1.";
    chart("calls-chart", 260, {
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"), cursor: { drag: { x: true, y: false } },
      scales: { x: { time: true }, y: { distr: 4, asinh: 1, range: [0, Math.max(10, limit * 1.5, peak * 1.5)] } },
      axes: [axis({ values: moments, space: 80 }), axis({ size: 64, splits: () => [0, 1, 10, 100, 1000, 10000, 100000].filter((v) => v <= Math.max(10, limit * 1.5, peak * 1.5)), values: (_, all) => all.map(count), filter: (_, all) => all })],
      series,
    }, columns);
  }
  for (const name of data.systems) { $("system").append(new Option(name, name)); }
  $("system").addEventListener("change", calls);

  $("design").value = data.worst[0];
  $("sku").value = data.worst[1];
  draw();
  calls();
  root.dataset.ready = "1";
})();
