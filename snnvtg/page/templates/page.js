"use strict";
(() => {
  const value = (row, place) => {
    const cell = row.cells[place];
    const number = Number(cell.dataset.v ?? cell.textContent.replaceAll(",", ""));
    return cell.textContent === "–" ? null : Number.isNaN(number) ? cell.textContent : number;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return a === b ? 0 : NaN;
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
  };
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], place = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, place), row]);
    // rows that say nothing stay at the end, whichever way the others are sorted
    rows.sort(([a], [b]) => {
      const order = compare(a, b);
      return Number.isNaN(order) ? (a === null) - (b === null) : down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  };
  const filter = (input) => {
    const table = document.getElementById(input.getAttribute("aria-controls"));
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    input.closest(".tools").querySelector("output").textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  };
  const origins = JSON.parse(document.getElementById("origin-data").textContent);
  const dialog = document.getElementById("origin");
  const show = (label, number) => {
    document.getElementById("origin-number").textContent = number;
    document.getElementById("origin-lines").replaceChildren(...origins[label].map(([name, words]) => {
      const line = document.createElement("div"), term = document.createElement("dt"), told = document.createElement("dd");
      const inner = ["command", "commit", "table"].includes(name) ? document.createElement("code") : told;
      term.textContent = name;
      inner.textContent = words;
      if (inner !== told) told.append(inner);
      line.append(term, told);
      return line;
    }));
    dialog.showModal();
  };
  const told = (cell) => {
    const table = cell.closest("table"), head = table.tHead.rows[0].cells[cell.cellIndex];
    const name = head.querySelector("button").textContent.replace(/\s+published$/, " (published)");
    show(table.dataset.origin, `${cell.parentElement.cells[0].textContent}, ${name}: ${cell.textContent}`);
  };
  document.addEventListener("click", (event) => {
    const head = event.target.closest("th[aria-sort] button"), link = event.target.closest("a[data-origin]");
    const cell = event.target.closest("td.n");
    if (head) sort(head.closest("th"));
    if (link) {
      event.preventDefault();
      show(link.dataset.origin, link.classList.contains("number") ? link.textContent : "");
    }
    if (cell && cell.closest("table[data-origin]") && !String(getSelection())) told(cell);
    if (event.target === dialog) dialog.close();
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("input[aria-controls]")) filter(event.target);
  });
  // one number of each table is reached by Tab, the others from there by the arrow keys; Enter tells its origin
  for (const table of document.querySelectorAll("table[data-origin]")) table.querySelector("td.n")?.setAttribute("tabindex", "0");
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest?.("td.n");
    if (!cell || !cell.closest("table[data-origin]")) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); told(cell); }
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...cell.closest("tbody").rows].filter((row) => !row.hidden);
    const next = rows[rows.indexOf(cell.parentElement) + step[0]]?.cells[cell.cellIndex + step[1]];
    if (!next?.classList.contains("n")) return;
    cell.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details.table")) if (part.querySelectorAll("tr").length < 30) part.open = true;
  });
})();
