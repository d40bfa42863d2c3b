"use strict";
// Draws the charts, shows times in the browser's time zone, and updates live pages.
(() => {
  const UPDATE_INTERVAL_MS = 5000;
  const drawn = new Map();
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (value) => value == null ? "–" : Math.abs(value) >= 1e15 ? value.toExponential(2) : Math.abs(value) >= 100 ? Math.round(value).toLocaleString() : String(Number(value.toPrecision(3)));
  const isoTime = (seconds) => new Date(Math.min(seconds, 253402300799) * 1000).toISOString().replace(/\.\d+Z$/, "Z");

  function localTimes(root) {
    for (const each of root.querySelectorAll("time")) {
      const time = new Date(each.dateTime);
      if (isNaN(time)) continue;
      each.title = each.dateTime;
      each.textContent = time.toLocaleString([], { dateStyle: "short", timeStyle: "medium" });
    }
    const zone = document.getElementById("zone");
    if (zone) zone.textContent = "Times are in " + (Intl.DateTimeFormat().resolvedOptions().timeZone || "this computer's time zone") + ".";
  }

  // Users type times in the zone that the page shows. The URL has UTC, so that it means the same to everyone.
  function addTimeZone(event) {
    for (const each of event.target.querySelectorAll("input[name$=since], input[name$=until]")) {
      if (each.type === "hidden" || each.value === each.defaultValue) continue;
      const found = /^\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?\s*$/.exec(each.value);
      const time = found && new Date(`${found[1]}T${found[2] || "00:00"}`);
      if (time && !isNaN(time)) each.value = isoTime(time.getTime() / 1000);
    }
  }

  // Areas are stacked: each line is drawn as the sum of itself and all lines below it.
  function stack(lines) {
    const sums = new Array(lines.length ? lines[0].values.length : 0).fill(0);
    return lines.map((line) => line.values.map((value, at) => (sums[at] += value || 0)));
  }

  function series(data) {
    const lines = data.lines.map((line, at) => {
      const colour = css("--c" + at % 8);
      return {
        label: line.label, stroke: colour, width: 1.5, spanGaps: false, points: { size: 5, filter: isolatedPoints },
        fill: data.stacked ? colour + "cc" : undefined,
        value: (_, __, ___, place) => place == null ? "–" : number(line.values[place]) + (data.unit ? " " + data.unit : ""),
      };
    });
    return data.stacked ? lines.reverse() : lines;
  }

  // A single value between two gaps has no line: draw a point, so that rare traffic is visible.
  function isolatedPoints(plot, line, show) {
    const points = plot.data[line];
    return show ? null : [...points.keys()].filter((at) => points[at] != null && points[at - 1] == null && points[at + 1] == null);
  }

  // The axis must fit its longest label: a label with missing digits is a different number.
  function axisSize(_, labels) {
    return Math.max(60, 24 + 7 * Math.max(0, ...(labels || []).map((label) => label.length)));
  }

  function values(data) {
    const lines = data.stacked ? stack(data.lines).reverse() : data.lines.map((line) => line.values);
    return [data.x, ...lines];
  }

  function draw(figure) {
    const box = figure.querySelector(".canvas");
    if (!box) return;
    const data = JSON.parse(figure.dataset.chart);
    const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
    const plot = new uPlot({
      width: Math.max(200, box.clientWidth), height: 240, cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1] } },
      axes: [axis, { ...axis, size: axisSize, values: (_, ticks) => ticks.map(number) }],
      series: [{ label: "time" }, ...series(data)], legend: { live: true },
    }, values(data), box);
    plot.over.addEventListener("click", () => {
      const at = plot.cursor.idx;
      const now = JSON.parse(figure.dataset.chart);
      if (at == null || !now.requestsUrl) return;
      // The first and the last interval may lie in the range only partly.
      const from = Math.max(now.x[at], now.since);
      const until = Math.min(now.x[at] + now.step, now.until);
      location.href = now.requestsUrl + (now.requestsUrl.endsWith("?") ? "" : "&") + "since=" + isoTime(from) + "&until=" + isoTime(until);
    });
    drawn.set(figure.id, plot);
  }

  function drawAll() {
    for (const [, plot] of drawn) plot.destroy();
    drawn.clear();
    document.querySelectorAll("figure.chart").forEach(draw);
  }

  // Fetches the same page and replaces the live part only: no reload, no lost focus.
  async function update() {
    const live = document.getElementById("live");
    const part = document.getElementById("live-part");
    if (!live || !live.checked || document.hidden || !part || part.contains(document.activeElement) && document.activeElement.matches("input")) return;
    const open = [...part.querySelectorAll("details")].map((each) => each.open);
    const message = document.getElementById("updated");
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      replace(part, page.getElementById("live-part"), open);
      message.textContent = "Updated " + new Date().toLocaleTimeString() + ".";
      part.classList.remove("stale");
    } catch (error) {
      message.textContent = "The last update failed; trying again.";
      part.classList.add("stale");
    }
  }

  function replace(part, fresh, open) {
    if (!fresh) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = [...part.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
    part.replaceChildren(...fresh.childNodes);
    part.querySelectorAll("details").forEach((each, at) => { each.open = Boolean(open[at]); });
    part.querySelectorAll(".scroll").forEach((each, at) => { if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at]; });
    if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    localTimes(part);
    drawAll();
  }

  document.addEventListener("DOMContentLoaded", () => {
    localTimes(document);
    drawAll();
    document.addEventListener("submit", addTimeZone);
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    const wait = async () => { await update(); setTimeout(wait, UPDATE_INTERVAL_MS); };
    setTimeout(wait, UPDATE_INTERVAL_MS);
  });
})();
