// Draws columns of numbers that the server sends, and asks for them again at the pace they ask for.
(() => {
  "use strict";
  const FETCH_S_MAX = 10;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const COLOURS = ["--line-1", "--line-2", "--line-3"];
  const utc = (date) => uPlot.tzDate(date, "Etc/UTC");

  const draw = (box) => {
    const names = box.dataset.series.split("|");
    const scale = Number(box.dataset.scale);
    const unit = box.dataset.unit;
    const band = "band" in box.dataset; // Series 2 and 3 are the least and greatest of series 1.
    const number = (value) => value === null || value === undefined ? "–"
      : value.toLocaleString("en", { maximumFractionDigits: 2 }) + (unit ? ` ${unit}` : "");
    const axis = { stroke: style("--muted"), grid: { stroke: style("--rule"), width: 1 },
      ticks: { stroke: style("--rule"), width: 1 }, font: "12px system-ui, sans-serif" };
    const options = {
      width: box.clientWidth, height: 240, tzDate: (seconds) => utc(new Date(seconds * 1e3)),
      cursor: { y: false },
      scales: { y: { range: (_, low, high) => {
        if (low === null) return [0, 1];
        const pad = Math.max((high - low) * 0.1, Math.abs(high) * 0.01, 1e-3);
        return [low - pad, high + pad];
      } } },
      axes: [
        { ...axis, space: 70, values: (_, ticks) => ticks.map((s) => new Date(s * 1e3).toISOString().slice(11, 19)) },
        { ...axis, size: 84, label: unit, labelSize: 22, labelFont: "12px system-ui, sans-serif", values: (_, ticks) => ticks.map((v) => v.toLocaleString("en")) },
      ],
      series: [
        { label: "UTC", value: (_, s) => s ? new Date(s * 1e3).toISOString().slice(11, 19) : "–" },
        ...names.map((name, i) => ({ label: name, spanGaps: true, points: { show: false },
          paths: "step" in box.dataset ? uPlot.paths.stepped({ align: 1 }) : undefined,
          stroke: style(band && i ? "--band" : COLOURS[i]), width: i ? 1 : 2,
          dash: !band && i === 2 ? [4, 3] : undefined, value: (_, v) => number(v) })),
      ],
      bands: band ? [{ series: [3, 2], fill: style("--band") }] : [],
    };
    let plot = null;
    let busy = false;
    let url = box.dataset.chart;
    const note = document.createElement("p");
    note.className = "empty";
    note.textContent = "Loading readings …";
    box.append(note);

    const load = async () => {
      if (busy || document.hidden) return;
      busy = true;
      try {
        const answer = await fetch(url, { headers: { Accept: "application/json" },
          signal: AbortSignal.timeout(FETCH_S_MAX * 1e3) });
        if (!answer.ok) throw new Error(String(answer.status));
        const got = await answer.json();
        const columns = got.columns.map((column, i) => i
          ? column.map((value) => value === null ? null : value / scale) : column);
        note.hidden = columns[0].length > 0;
        note.textContent = box.dataset.empty;
        if (!plot && columns[0].length) {
          box.classList.add("chart-full");
          plot = new uPlot({ ...options, width: box.clientWidth }, columns, box);
        }
        else if (plot) plot.setData(columns);
      } catch (error) {
        note.hidden = false;
        note.textContent = "The readings can not be fetched just now; trying again.";
      } finally {
        busy = false;
      }
    };
    load();
    setInterval(load, Number(box.dataset.every));
    new ResizeObserver(() => {
      if (plot) plot.setSize({ width: box.clientWidth, height: 240 });
    }).observe(box);
    document.querySelectorAll("button[data-span]").forEach((button) => {
      button.addEventListener("click", () => {
        url = url.replace(/minutes=\d+/, `minutes=${button.dataset.span}`);
        document.querySelectorAll("button[data-span]").forEach((other) => {
          other.setAttribute("aria-pressed", String(other === button));
        });
        load();
      });
    });
  };
  document.querySelectorAll("[data-chart]").forEach(draw);
})();
