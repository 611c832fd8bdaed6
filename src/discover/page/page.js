"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 25;
  const number = new Intl.NumberFormat("en");
  const make = (tag, text, cls) => {
    const el = document.createElement(tag);
    if (text !== undefined) el.textContent = text;
    if (cls) el.className = cls;
    return el;
  };
  const bytes = (n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let at = 0;
    while (n >= 1024 && at < 5) { n /= 1024; at++; }
    return at ? n.toFixed(1) + " " + units[at] : n + " B";
  };
  const list = (title, rows, more) => {
    const box = make("div");
    box.append(make("h4", title));
    if (!rows.length) { box.append(make("p", "none named", "rest")); return box; }
    const ul = make("ul");
    for (const [name, figure] of rows) {
      const li = make("li"), cell = make("span");
      cell.append(make("bdi", name));
      li.append(cell, make("span", figure));
      ul.append(li);
    }
    box.append(ul);
    if (more > 0) box.append(make("p", "and " + number.format(more) + " more", "rest"));
    return box;
  };
  const spark = (days) => {
    const box = make("div");
    box.append(make("h4", "Bytes a day, " + (days.length ? data.days[days[0][0]] + " to " + data.days[days[days.length - 1][0]] : "no times")));
    if (!days.length) return box;
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
    const first = days[0][0], span = days[days.length - 1][0] - first + 1, top = Math.max(...days.map((d) => d[1]), 1);
    svg.setAttribute("viewBox", "0 0 " + span + " 50");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", days.map((d) => data.days[d[0]] + ": " + bytes(d[1])).join(", "));
    for (const [day, n] of days) {
      const rect = document.createElementNS(ns, "rect"), h = Math.max(n / top * 48, 1);
      for (const [k, v] of [["x", day - first + .05], ["y", 50 - h], ["width", .9], ["height", h], ["class", "down"]]) rect.setAttribute(k, v);
      svg.append(rect);
    }
    box.append(svg);
    return box;
  };
  const appDetail = (id) => {
    const app = data.apps[id], named = (rows, names) => rows.map(([n, up, all]) => [names ? names[n] : n, bytes(all) + (up ? " (\u2191 " + bytes(up) + ")" : "")]);
    const cols = make("div", undefined, "cols");
    cols.append(
      list("Why this risk", app.r.map((r) => [data.reasons[r][0], "+" + data.reasons[r][1]]), 0),
      list("Users", named(app.u, data.names), app.un - app.u.length),
      list("Addresses", named(app.a, data.names), app.an - app.a.length),
      list("Host names", named(app.h), app.hn - app.h.length),
      spark(app.d));
    return cols;
  };
  const whoDetail = (row) => {
    const cols = make("div", undefined, "cols");
    cols.append(list("Apps used most", row[7].map(([id, n]) => [data.titles[id], bytes(n)]), row[1] - row[7].length));
    return cols;
  };
  const opener = (tr, cell, name, fill) => {
    const button = make("button", undefined, "name");
    button.type = "button";
    button.append(name);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      if (tr.detail) { tr.detail.remove(); tr.detail = null; button.setAttribute("aria-expanded", "false"); return; }
      const row = make("tr", undefined, "detail"), td = make("td");
      td.colSpan = tr.children.length;
      td.append(fill());
      row.append(td);
      tr.after(row);
      tr.detail = row;
      button.setAttribute("aria-expanded", "true");
    });
    cell.prepend(button);
    tr.open = () => { if (!tr.detail) button.click(); };
  };
  const staticRows = (table) => [...table.tBodies[0].rows].map((tr) => {
    const cells = [...tr.cells];
    const row = { tr: () => tr, id: tr.id, text: tr.textContent.toLowerCase(), key: cells.map((c, i) => i === 0 ? c.textContent.toLowerCase() : +(c.dataset.v ?? c.textContent.replaceAll(",", ""))), cells: cells.map((c) => c.textContent) };
    if (tr.dataset.i && data.apps[tr.dataset.i]) {
      const span = tr.querySelector(".name");
      opener(tr, cells[0], span.textContent, () => appDetail(tr.dataset.i));
      span.remove();
    }
    return row;
  });
  const whoRows = (rows) => rows.map((row) => {
    const name = data.names[row[0]];
    let built = null;
    const tr = () => {
      if (built) return built;
      built = make("tr");
      const th = make("th");
      th.scope = "row";
      opener(built, th, make("bdi", name), () => whoDetail(row));
      if (row[3]) th.append(" ", make("span", row[3] + " unsanctioned", "chip unsanctioned"));
      built.append(th);
      for (const [text, cls] of [[number.format(row[1]), "n"], [number.format(row[2]), "n w"], [row[5] ? bytes(row[5]) : "-", "n m"], [bytes(row[6]), "n"], [number.format(row[4]), "n w"]]) built.append(make("td", text, cls));
      return built;
    };
    return { tr, text: name.toLowerCase(), key: [name.toLowerCase(), row[1], row[2], row[5], row[6], row[4]], cells: [] };
  });
  for (const table of document.querySelectorAll("table.list")) {
    const kind = table.dataset.rows, body = table.tBodies[0];
    const rows = kind ? whoRows(data[kind]) : staticRows(table);
    const tools = document.querySelector(`[data-for="${table.id}"]`), more = document.querySelector(`[data-more="${table.id}"]`);
    const search = tools.querySelector("input"), select = tools.querySelector("select"), status = tools.querySelector("p");
    let shown = PAGE, order = rows;
    const draw = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), want = select ? select.value : "";
      const fit = order.filter((row) => words.every((w) => row.text.includes(w)) && (!want || row.cells[+select.dataset.col].startsWith(want)));
      const part = fit.slice(0, shown), nodes = [];
      for (const row of part) { const tr = row.tr(); nodes.push(tr); if (tr.detail) nodes.push(tr.detail); }
      body.replaceChildren(...nodes);
      status.textContent = words.length || want ? number.format(fit.length) + " of " + number.format(rows.length) : "";
      more.replaceChildren();
      if (fit.length > part.length) {
        const button = make("button", fit.length - part.length > 200 ? "Show 200 more" : "Show all " + number.format(fit.length));
        button.type = "button";
        button.addEventListener("click", () => {
          const next = shown;
          shown += 200;
          draw();
          body.querySelectorAll("tr:not(.detail)")[next]?.querySelector("button")?.focus();
        });
        more.append(button, " " + number.format(part.length) + " of " + number.format(fit.length) + " shown");
      }
    };
    table.reveal = (id) => {
      const at = order.findIndex((row) => row.id === id);
      if (at < 0) return;
      search.value = "";
      if (select) select.value = "";
      shown = Math.max(shown, at + 1);
      draw();
      const tr = order[at].tr();
      tr.open?.();
      tr.scrollIntoView();
      tr.querySelector("button")?.focus({ preventScroll: true });
    };
    [...table.tHead.rows[0].cells].forEach((th, col) => {
      const button = make("button", th.textContent);
      button.type = "button";
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = th.getAttribute("aria-sort"), first = th.dataset.s === "t" ? "ascending" : "descending";
        const now = !before ? first : before === "ascending" ? "descending" : "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", now);
        const sign = now === "ascending" ? 1 : -1;
        order = [...rows].sort((a, b) => sign * (th.dataset.s === "t" ? (a.key[col] < b.key[col] ? -1 : a.key[col] > b.key[col] ? 1 : 0) : a.key[col] - b.key[col]));
        shown = PAGE;
        draw();
      });
    });
    search.addEventListener("input", () => { shown = PAGE; draw(); });
    select?.addEventListener("change", () => { shown = PAGE; draw(); });
    tools.hidden = false;
    draw();
  }
  const follow = () => {
    const id = location.hash.slice(1);
    if (id.startsWith("app-")) document.getElementById("apps-t").reveal(id);
  };
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link?.dataset.risk) {
      const select = document.querySelector('[data-for="apps-t"] select');
      select.value = link.dataset.risk;
      select.dispatchEvent(new Event("change"));
    } else if (link?.hash.startsWith("#app-") && link.hash === location.hash) follow();
  });
  follow();
})();
