// What the browser does by itself: keys, charts, the theme, and forms that are
// sent once. Everything works without it but the charts.
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Keys. Rows are walked by j and k; the walk outlives a fresh page.
  let at = null; // the key of the row
  const rows = () => all("tr[data-key]");
  const mark = (row, focus) => {
    all("tr.at").forEach((r) => r.classList.remove("at"));
    if (!row) return;
    at = row.dataset.key;
    row.classList.add("at");
    if (focus) {
      row.scrollIntoView({ block: "nearest" });
      $("a", row)?.focus({ preventScroll: true });
    }
  };
  const walk = (by) => {
    const list = rows();
    const i = list.findIndex((r) => r.dataset.key === at);
    mark(list[Math.max(0, Math.min(list.length - 1, i + by))], true);
  };
  const places = { o: "Overview", p: "Payments", r: "Refunds", q: "Requests", d: "Deliveries", l: "Ledger" };
  let going = false;
  const go = (key) => {
    const link = all(".nav a").find((a) => a.textContent.trim() === places[key]);
    if (link) location.href = link.href;
  };
  const showKeys = () => $("dialog.keys")?.showModal();
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.target.closest("input, select, textarea")) {
      if (e.key === "Escape") e.target.blur();
      return;
    }
    if (going) { going = false; return go(e.key); }
    switch (e.key) {
      case "/": e.preventDefault(); $("input[type=search]")?.select(); break;
      case "j": walk(1); break;
      case "k": walk(-1); break;
      case "g": going = true; break;
      case "?": showKeys(); break;
    }
  });
  document.addEventListener("click", (e) => {
    if (e.target.closest("[data-keys]")) return showKeys();
    if (e.target.closest("[data-theme-switch]")) return switchTheme();
    const row = e.target.closest("tr[data-href]");
    if (!row || e.target.closest("a, button, input, select, summary, label") || String(getSelection())) return;
    location.href = row.dataset.href;
  });

  // On a phone the pages are a strip: it begins at the one that is open.
  const strip = $(".navs"), here = $(".navs [aria-current=page]");
  if (strip && here) {
    const a = strip.getBoundingClientRect(), b = here.getBoundingClientRect();
    strip.scrollLeft += b.left - a.left - (a.width - b.width) / 2;
  }

  // A form that was sent is not sent again while its answer is awaited. The
  // server would act once anyhow.
  document.addEventListener("submit", (e) => {
    const button = $("button", e.target);
    if (e.target.method !== "post" || !button) return;
    if (button.getAttribute("aria-busy")) e.preventDefault();
    button.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    all("[aria-busy]").forEach((b) => b.removeAttribute("aria-busy"));
    calls(); // a browser fills forms in again
  });

  // The call that does what a form does says what the form holds. Amounts are
  // in minor units there.
  const text = (v) => JSON.stringify(v).replaceAll("'", "'\\''"); // within a shell's quotes
  const written = {
    text,
    list: (v) => "[" + v.split(",").map((part) => part.trim()).filter(Boolean).map(text).join(",") + "]",
    pair: (v) => { const [name, ...rest] = v.split("="); return text(name) + ":" + text(rest.join("=")); },
  };
  const call = (form) => {
    const value = (name) => {
      const field = form.elements[name];
      return field && !field.disabled ? field.value.trim() : "";
    };
    const minor = (text) => {
      const digits = new Intl.NumberFormat("en", { style: "currency", currency: value("currency") }).resolvedOptions().maximumFractionDigits;
      return Math.round(Number(text.replaceAll(",", "")) * 10 ** digits);
    };
    // What belongs to another choice is not shown, and not sent.
    all("[data-when]", form.parentElement).forEach((part) => {
      part.hidden = !part.dataset.is.split(" ").includes(value(part.dataset.when));
      all("input, select", part).forEach((field) => { field.disabled = part.hidden; });
    });
    all("[data-field]", form.parentElement).forEach((v) => {
      const name = v.dataset.field, as = written[v.dataset.as];
      v.textContent = as ? as(value(name)) : name === "amount" ? minor(value(name)) : value(name);
    });
    all("[data-with]", form.parentElement).forEach((part) => { part.hidden = !value(part.dataset.with); });
  };
  const calls = () => all(".acts form").forEach(call);
  document.addEventListener("input", (e) => e.target.form && call(e.target.form));
  calls();

  // Theme: a cookie, so that the page comes in it.
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const switchTheme = () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `remit_theme=${next}; path=/console; max-age=31536000; samesite=strict`;
    draw();
  };

  // A page is not fetched again while somebody reads in it, or writes; nor once
  // something is written, until it is sent or taken back.
  const filled = (field) => field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked :
    field.options ? [...field.options].some((o) => o.defaultSelected) ? [...field.options].some((o) => o.selected !== o.defaultSelected) : field.selectedIndex > 0 :
    field.value !== field.defaultValue;
  const busy = (live) => document.hidden || String(getSelection()) || $("details[open], [aria-busy]", live) || all(".tall, pre", live).some((e) => e.scrollTop) ||
    all("input, select, textarea", live).some(filled) ||
    (live.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button, summary"));
  for (const moment of ["htmx:beforeRequest", "htmx:beforeSwap"]) { // of a fetch, and of its answer
    document.addEventListener(moment, (e) => { if (e.target.id === "live" && busy(e.target)) e.preventDefault(); });
  }
  document.addEventListener("htmx:afterSwap", () => {
    const row = at && rows().find((r) => r.dataset.key === at);
    if (row) mark(row, document.activeElement === document.body);
    calls();
    draw();
  });

  // Charts.
  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const drawn = new Map(); // by the chart's id: its data and its plot
  const draw = () => all("[data-chart]").forEach(async (box) => {
    let known = drawn.get(box.id);
    if (!known || Date.now() - known.at > 60000) {
      const answer = await fetch(box.dataset.chart).catch(() => null);
      if (!answer?.ok) return;
      known = { at: Date.now(), data: await answer.json() };
      drawn.set(box.id, known);
      known.theme = null;
    }
    if (known.theme === dark() && known.box === box && known.width === box.clientWidth) return;
    Object.assign(known, { theme: dark(), box, width: box.clientWidth });
    plot(box, known.data);
  });
  const plot = (box, d) => {
    const unit = 10 ** d.digits;
    const money = (v) => v == null ? "–" : v.toLocaleString("en", { minimumFractionDigits: d.digits, maximumFractionDigits: d.digits }) + " " + d.currency;
    const short = (v) => Math.abs(v) >= 1e6 ? v / 1e6 + "M" : Math.abs(v) >= 1e3 ? v / 1e3 + "k" : String(v);
    const sum = (list) => Math.round(list.reduce((a, b) => a + b, 0) * unit) / unit;
    const major = (list) => list.map((n) => n / unit);
    const bars = (place) => uPlot.paths.bars({ size: [0.36, 20], align: place, gap: 1, radius: 0.2 });
    const series = (label, name, place) => ({ label, stroke: colour(name), fill: colour(name), width: 0, paths: bars(place), points: { show: false }, value: (u, v, i) => money(v ?? sum(u.data[i])) });
    const axis = { stroke: colour("--dim"), font: "12px system-ui, sans-serif", grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false } };
    const day = (s) => new Date(s * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    if (![d.in, d.out, d.back].some((list) => list.some(Boolean))) {
      const none = document.createElement("p");
      none.className = "dim none-yet";
      none.textContent = `No money moved in ${d.currency} in the last ${d.days.length} days.`;
      return box.replaceChildren(none);
    }
    box.replaceChildren();
    new uPlot({
      width: box.clientWidth, height: 220, cursor: { y: false, points: { show: false } },
      scales: { x: { time: false, range: (u, min, max) => [min - 64800, max + 64800] }, y: { range: (u, min, max) => [0, Math.max(max * 1.1, 1)] } },
      axes: [
        { ...axis, grid: { show: false }, values: (u, list) => list.map(day), incrs: [86400, 432000, 604800], space: 72 },
        { ...axis, values: (u, list) => list.map(short), size: 52, label: d.currency, labelFont: axis.font, labelSize: 20 },
      ],
      series: [
        { label: "Day", value: (u, v) => v == null ? "the last 30" : day(v) },
        series("In", "--good", -1), series("Out", "--move", 1), series("Of that, failed, canceled or returned", "--bad", 1),
      ],
    }, [d.days, major(d.in), major(d.out), major(d.back)], box);
  };
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
