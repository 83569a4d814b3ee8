"use strict";
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const one = (selector, within = document) => within.querySelector(selector);

  // An element; its text is set as text, never as markup.
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function short(value) {
    if (typeof value !== "number") return value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value);
    const text = Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(6)));
    return text.replace("-", "\u2212");
  }

  // ---- colours

  for (const fieldset of all("[data-theme-switch]")) {
    const root = document.documentElement;
    const chosen = one(`input[value="${root.dataset.theme || "system"}"]`, fieldset);
    if (chosen) chosen.checked = true;
    fieldset.addEventListener("change", (event) => {
      root.dataset.theme = event.target.value;
      try { localStorage.setItem("reprise-theme", event.target.value); } catch (refused) { /* a page opened without storage */ }
    });
  }

  // ---- sorting

  const LETTER = { both: "o", ours: "o", published: "p", difference: "d" };

  function sortKey(row, column, table) {
    const cell = row.children[column];
    if (!cell) return null;
    const mode = table.dataset.mode;
    if (mode && cell.tagName === "TD") {
      const wanted = LETTER[mode];
      let value = cell.dataset[wanted];
      if (value === undefined && mode === "both") value = cell.dataset.p;
      return value === undefined ? null : Number(value);
    }
    const text = cell.textContent.trim();
    if (text === "") return null;
    const number = /^[+\u2212-]?\d[\d,]*(\.\d+)?(?=$|[\s(±])/.exec(text.replace(/^P /, ""));
    return number ? Number(number[0].replace("\u2212", "-").replace(/,/g, "")) : text.toLowerCase();
  }

  function compared(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  function sortRows(table, column, order) {
    const grouped = all("tr.group, tbody tr.total", table).length > 0;
    const bodies = Array.from(table.tBodies);
    const blocks = grouped ? bodies.map((body) => [body, Array.from(body.rows)])
      : [[bodies[0], bodies.flatMap((body) => Array.from(body.rows))]];
    for (const [body, rows] of blocks) {
      const keyed = rows.filter((row) => !row.classList.contains("group"))
        .map((row) => ({ row, key: order ? sortKey(row, column, table) : 0, place: Number(row.dataset.place) }));
      keyed.sort((a, b) => {
        const total = (each) => each.row.classList.contains("total");
        if (total(a) !== total(b)) return total(a) ? 1 : -1;
        if ((a.key === null) !== (b.key === null)) return a.key === null ? 1 : -1;
        const difference = a.key === null ? 0 : compared(a.key, b.key) * (order === "descending" ? -1 : 1);
        return difference || a.place - b.place;
      });
      if (!order && !grouped) {
        for (const { row } of keyed) bodies[Number(row.dataset.body)].append(row);
      } else {
        body.append(...keyed.map(({ row }) => row));
      }
    }
  }

  for (const table of all("table[data-sortable]")) {
    let place = 0;
    Array.from(table.tBodies).forEach((body, index) => {
      for (const row of body.rows) { row.dataset.place = place++; row.dataset.body = index; }
    });
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        // Numbers are first wanted from the top, words from A.
        const words = column === 0 || !one(`tbody tr:not(.group) > :nth-child(${column + 1}):is(.n, [data-o], [data-p])`, table);
        const cycle = words ? ["ascending", "descending", ""] : ["descending", "ascending", ""];
        const now = head.getAttribute("aria-sort") || "";
        const next = cycle[(cycle.indexOf(now) + 1) % 3];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        table.classList.add("all");
        sortRows(table, column, next);
      });
    });
  }

  function sortAgain(table) {
    const heads = all("thead th", table);
    const sorted = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    if (sorted >= 0) sortRows(table, sorted, heads[sorted].getAttribute("aria-sort"));
  }

  // ---- one table: switch and filter

  for (const tools of all("[data-tools]")) {
    const table = document.getElementById(tools.dataset.tools);
    const status = one("[data-status]", tools);
    const modes = one("[data-mode-switch]", tools);
    if (modes) modes.addEventListener("change", (event) => {
      table.dataset.mode = event.target.value;
      for (const hint of all(".in-both")) hint.hidden = event.target.value !== "both";
      sortAgain(table);
    });
    one("[data-filter]", tools).addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0, every = 0;
      for (const body of table.tBodies) {
        const group = one("tr.group", body);
        const head = group ? group.textContent.toLowerCase() : "";
        let mine = 0;
        for (const row of body.rows) {
          if (row === group) continue;
          const text = `${head} ${row.cells[0].textContent.toLowerCase()}`;
          row.hidden = !words.every((word) => text.includes(word));
          every += 1;
          mine += row.hidden ? 0 : 1;
        }
        body.hidden = mine === 0;
        shown += mine;
      }
      if (table.tFoot) table.tFoot.hidden = words.length > 0;
      status.textContent = words.length ? `${shown} of ${every} rows` : "";
    });
  }

  // ---- the claims

  for (const form of all("[data-claim-filter]")) {
    const rows = all("#claims tbody tr").map((row) => ({
      row, family: row.dataset.f, verdict: one(".word", row).textContent, table: row.cells[1].textContent,
      method: row.cells[3].textContent, text: row.textContent.toLowerCase(),
    }));
    const status = one("[data-status]", form);
    const more = one("[data-more]");
    const showAll = () => { document.getElementById("claims").classList.add("all"); if (more) more.hidden = true; };
    if (more) more.addEventListener("click", showAll);
    const apply = () => {
      const wanted = Object.fromEntries(new FormData(form));
      const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const each of rows) {
        const fits = ["family", "verdict", "table", "method"].every((name) => !wanted[name] || each[name] === wanted[name])
          && words.every((word) => each.text.includes(word));
        if (each.row.hidden === fits) each.row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      status.textContent = `${short(shown)} of ${short(rows.length)} claims`;
      showAll();
      const kept = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
      try { history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname); } catch (refused) { /* from disk */ }
    };
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of asked) if (form.elements[name]) form.elements[name].value = value;
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    if (asked.size) apply(); else status.textContent = `${short(rows.length)} claims`;
  }

  // ---- the details of a cell

  const source = document.getElementById("page-data");
  const dialog = document.getElementById("details");
  if (!source || !dialog) return;
  let known = null;
  const data = () => known || (known = JSON.parse(source.textContent));

  // The page keeps a list per thing that runs have; here they become runs again.
  function runsOf(group) {
    const at = (values, index) => Array.isArray(values) ? values[index] : values;
    const steps = {};
    return group.seeds.map((seed, index) => {
      const run = { seed, key: group.keys[index], status: at(group.status, index), parameters: at(group.parameters, index),
        provenance: at(group.provenance, index), mlflow: at(group.mlflow, index), values: {}, curves: {} };
      run.file = group.file ? `${group.file}:${group.lines[index]}` : at(group.files, index);
      for (const name of ["wall_s", "cpu_s"]) if (group[name] && group[name][index] !== null) run[name] = group[name][index];
      for (const [metric, values] of Object.entries(group.values || {})) if (values[index] !== null) run.values[metric] = values[index];
      for (const [metric, curves] of Object.entries(group.curves || {})) {
        if (!curves[index]) continue;
        steps[metric] = curves[index][0] || steps[metric];
        run.curves[metric] = [steps[metric], curves[index][1]];
      }
      return run;
    });
  }

  function facts(entries) {
    return make("dl", { class: "facts" }, ...entries.map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, short(value)))));
  }

  function pairs(value, prefix = "") {
    return Object.entries(value).flatMap(([name, inner]) =>
      inner !== null && typeof inner === "object" && !Array.isArray(inner) ? pairs(inner, `${prefix}${name}.`) : [[prefix + name, inner]]);
  }

  function folded(title, ...content) {
    return make("details", {}, make("summary", {}, title), ...content);
  }

  function headline(cell) {
    const list = make("dl", { class: "headline" });
    const entry = (name, text, beside, plain) => list.append(make("div", {}, make("dt", {}, name),
      make("dd", plain ? { class: "text" } : {}, text, beside ? make("small", {}, ` ${beside}`) : null)));
    if (cell.ours) entry("ours", cell.ours.text, [cell.ours.spread ? `± ${cell.ours.spread}` : "", cell.ours.remark].filter(Boolean).join(", "));
    if (cell.published) entry("published", cell.published.text, cell.published.spread ? `± ${cell.published.spread}` : "");
    if (cell.verdict) {
      const word = make("span", { class: `word ${cell.verdict.word.replaceAll(" ", "-")}` }, cell.verdict.word);
      entry("verdict", word, cell.verdict.reason || "", true);
    }
    return list;
  }

  function verdict(cell) {
    const said = cell.verdict || {};
    if (said.difference === undefined) return null;
    const entries = [["ours minus published", said.difference], ["margin", said.margin]];
    if (said.interval) entries.push(["90 % interval", `${short(said.interval[0])} to ${short(said.interval[1])}`]);
    if (said.rule) entries.push(["rule", said.rule]);
    for (const reading of said.readings || []) entries.push(["reading", reading]);
    return make("section", {}, make("h3", {}, "How it was judged"), facts(entries));
  }

  const SVG = "http://www.w3.org/2000/svg";
  function draw(name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(Number(value.toPrecision(10)));
    return found;
  }

  function meanCurve(curves) {
    const points = new Map();
    for (const [steps, values] of curves) steps.forEach((step, index) => {
      if (!points.has(step)) points.set(step, []);
      points.get(step).push(values[index]);
    });
    return Array.from(points).filter(([, values]) => values.length === curves.length).sort((a, b) => a[0] - b[0])
      .map(([step, values]) => [step, values.reduce((sum, value) => sum + value, 0) / values.length]);
  }

  function chart(runs, metric, divisor) {
    const curves = runs.filter((run) => run.curves && run.curves[metric])
      .map((run) => [run.curves[metric][0], run.curves[metric][1].map((value) => value / divisor)]);
    if (!curves.length) return null;
    const width = Math.max(280, Math.min(900, one(".details-body", dialog).clientWidth - 40)), height = Math.round(160 + width / 10), left = 52, right = 30, top = 10, bottom = 34;
    const steps = curves.flatMap(([all]) => all), values = curves.flatMap(([, all]) => all);
    let low = Math.min(...values), high = Math.max(...values);
    if (low === high) { low -= 1; high += 1; }
    const first = Math.min(...steps), last = Math.max(...steps);
    const x = (step) => left + (step - first) / (last - first || 1) * (width - left - right);
    const y = (value) => top + (high - value) / (high - low) * (height - top - bottom);
    const mean = meanCurve(curves);
    const ends = mean.length ? `the mean goes from ${short(Number(mean[0][1].toPrecision(4)))} to ${short(Number(mean.at(-1)[1].toPrecision(4)))}` : "";
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart", role: "img",
      "aria-label": `${metric} over steps ${short(first)} to ${short(last)}, ${curves.length} runs; ${ends}` });
    for (const value of ticks(low, high, 4)) {
      svg.append(draw("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "axis" }),
        draw("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
    }
    for (const step of ticks(first, last, width < 500 ? 3 : 5)) svg.append(draw("text", { x: x(step), y: height - 16, "text-anchor": "middle" }, short(step)));
    svg.append(draw("text", { x: width - right, y: height - 2, "text-anchor": "end" }, "step"));
    const path = (points) => points.map(([step, value], index) => `${index ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    for (const [all, each] of curves) svg.append(draw("path", { d: path(all.map((step, index) => [step, each[index]])), class: curves.length > 1 ? "seed" : "mean" }));
    if (curves.length > 1 && mean.length > 1) svg.append(draw("path", { d: path(mean), class: "mean" }));
    const legend = curves.length > 1 ? "Thin: a run each. Bold: their mean." : "";
    return make("section", {}, make("h3", {}, `${metric} over steps`), svg, legend ? make("p", { class: "fine" }, legend) : null);
  }

  function runTable(runs, metric, divisor) {
    const stored = runs.some((run) => run.mlflow), filed = runs.some((run) => run.file), timed = runs.some((run) => run.wall_s !== undefined);
    const heads = ["seed", metric, "status", ...(timed ? ["wall, s"] : []), ...(stored ? ["MLflow run"] : []), ...(filed ? ["record"] : []), "run key"];
    const head = make("tr", {}, ...heads.map((text, index) => make("th", index === 1 ? { scope: "col", class: "n" } : { scope: "col" }, text)));
    const body = runs.map((run) => {
      const value = run.values ? run.values[metric] : undefined;
      const status = run.status === "finished" ? run.status : make("span", { class: "flag" }, run.status);
      const cells = [value === undefined ? "\u2013" : short(typeof value === "number" ? value / divisor : value), status];
      if (timed) cells.push(run.wall_s === undefined ? "" : short(run.wall_s));
      if (stored) cells.push(make("code", {}, run.mlflow || ""));
      if (filed) cells.push(run.file || "");
      cells.push(make("code", { title: run.key }, run.key.slice(0, 12)));
      return make("tr", {}, make("th", { scope: "row" }, String(run.seed)), ...cells.map((cell, index) => make("td", index === 0 ? { class: "n" } : {}, cell)));
    });
    const table = make("table", { class: "plain" }, make("thead", {}, head), make("tbody", {}, ...body));
    return make("section", {}, make("h3", {}, `${runs.length} ${runs.length === 1 ? "run" : "runs"}`),
      make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Runs" }, table));
  }

  function command(text) {
    const copy = make("button", { type: "button", class: "copy" }, "Copy");
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); copy.textContent = "Copied"; } catch (refused) {
        getSelection().selectAllChildren(copy.previousSibling);
        copy.textContent = "Selected";
      }
    });
    return make("section", {}, make("h3", {}, "Run it again"), make("div", { class: "command" }, make("code", {}, text), copy));
  }

  function shared(runs, name, pool) {
    const places = [...new Set(runs.map((run) => run[name]))];
    return places.map((place) => [runs.filter((run) => run[name] === place).map((run) => run.seed), pool[place]]);
  }

  function ofRuns(group, metric, divisor) {
    const runs = runsOf(group);
    const found = [chart(runs, metric, divisor), runTable(runs, metric, divisor), group.command ? command(group.command) : null];
    for (const [title, name, pool] of [["Parameters", "parameters", data().parameters], ["Provenance", "provenance", data().provenance]]) {
      const sets = shared(runs, name, pool);
      for (const [seeds, value] of sets) {
        const whose = sets.length > 1 ? ` of seed${seeds.length > 1 ? "s" : ""} ${seeds.join(", ")}` : "";
        found.push(folded(title + whose, facts(pairs(value))));
      }
    }
    found.push(folded("Labels and data", facts(Object.entries(group.about))));
    return found;
  }

  function claims(cell) {
    if (!cell.claims) return null;
    return make("section", {}, make("h3", {}, cell.claims.length > 1 ? "Published numbers behind it" : "Published number"),
      ...cell.claims.map((claim) => facts(Object.entries(claim))));
  }

  function open(number) {
    const cell = data().cells[number];
    if (!cell) return;
    if (!dialog.open) dialog.showModal();
    one("#details-title").textContent = [cell.column, cell.row].filter(Boolean).join(" \u00b7 ");
    const group = cell.runs === undefined ? null : data().groups[cell.runs];
    const body = one(".details-body", dialog);
    body.replaceChildren(...[headline(cell), verdict(cell),
      ...(group && cell.ours ? ofRuns(group, cell.metric, cell.divisor || 1) : []), claims(cell)].filter(Boolean));
    body.scrollTop = 0;
    one("#details-title").focus();
    try { history.replaceState(null, "", `#cell-${number}`); } catch (refused) { /* from disk */ }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-cell]");
    if (button) open(Number(button.dataset.cell));
    if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    try { history.replaceState(null, "", location.pathname); } catch (refused) { /* from disk */ }
  });
  const asked = /^#cell-(\d+)$/.exec(location.hash);
  if (asked) open(Number(asked[1]));
})();
