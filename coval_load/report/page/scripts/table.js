// The table of simulations: which rows are chosen, in which order, and a page of them as elements.

const PAGE = 100;
const COLUMNS = [
  { name: "started_at", title: "began", number: true, shown: (value) => (value === null ? "never" : duration(value)) },
  { name: "id", title: "simulation" },
  { name: "outcome", title: "outcome" },
  { name: "agent", title: "agent" },
  { name: "test_case", title: "test case" },
  { name: "persona", title: "persona" },
  { name: "scenario", title: "scenario" },
  { name: "latency", title: "slowest reply", number: true, shown: duration },
  { name: "seconds", title: "took", number: true, shown: duration },
];
const FILTERS = { outcome: "outcome", kind: "error", agent: "agent", test_case: "test case", scenario: "scenario", persona: "persona" };

function tableOf(store, told) {
  const state = {
    text: "", chosen: {}, from: null, until: null, recorded: false, sort: "started_at", falling: false, page: 0, open: new Set(),
  };
  let order = [];
  const several = (name) => new Set(store.column(name)).size > 1;
  const columns = COLUMNS.filter((one) => !["scenario", "persona"].includes(one.name) || several(one.name));

  function choose() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const filters = Object.entries(state.chosen).filter(([, value]) => value !== "");
    const found = [];
    for (let index = 0; index < store.size; index += 1) {
      if (!filters.every(([name, value]) => String(store.value(name, index)) === value)) continue;
      if (state.recorded && !store.value("recorded", index)) continue;
      if (state.from !== null && !(store.ended(index) >= state.from)) continue;
      if (state.until !== null && !((store.value("started_at", index) ?? 0) <= state.until)) continue;
      if (words.length && !words.every((word) => store.text(index).includes(word))) continue;
      found.push(index);
    }
    const values = store.column(state.sort), turn = state.falling ? -1 : 1;
    order = found.sort((one, other) => compared(values[one], values[other], turn) || one - other);
  }

  function compared(one, other, turn) {
    if (one === other) return 0;
    if (one === null || one === undefined) return 1; // what has no value comes last, whichever way
    if (other === null || other === undefined) return -1;
    return (one < other ? -1 : 1) * turn;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(order.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * PAGE;
    const focused = find("rows").contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    find("rows").replaceChildren(...order.slice(first, first + PAGE).flatMap(rowElements));
    if (focused !== undefined) (buttonOf(focused) || find("search")).focus({ preventScroll: true });
    find("columns").replaceChildren(...columns.map(heading));
    find("pages").replaceChildren(...(pages > 1 ? pager(pages) : []));
    told(order.length, first);
  }

  const buttonOf = (id) => [...find("rows").querySelectorAll(".toggle")].find((one) => one.dataset.id === id);

  function heading(column) {
    const sorted = state.sort === column.name;
    const sign = sorted ? (state.falling ? " ▼" : " ▲") : "";
    const button = make("button", {
      type: "button",
      click: () => {
        state.falling = sorted ? !state.falling : column.number && column.name !== "started_at";
        state.sort = column.name;
        update();
        find("columns").querySelector(`[data-name="${column.name}"] button`).focus();
      },
    }, column.title + sign);
    const order = sorted ? (state.falling ? "descending" : "ascending") : null;
    return make("th", { scope: "col", "data-name": column.name, class: column.number ? "number" : null, "aria-sort": order }, button);
  }

  function pager(pages) {
    const go = (page) => () => { state.page = page; show(); find("table-box").focus({ preventScroll: true }); find("simulations").scrollIntoView(); };
    return [
      make("button", { type: "button", disabled: state.page === 0, click: go(state.page - 1) }, "previous"),
      make("span", {}, `page ${state.page + 1} of ${pages}`),
      make("button", { type: "button", disabled: state.page === pages - 1, click: go(state.page + 1) }, "next"),
    ];
  }

  function rowElements(index) {
    const id = store.value("id", index), isOpen = state.open.has(id);
    const button = make("button", {
      type: "button", class: "toggle id", "aria-expanded": String(isOpen), "data-id": id, title: id,
    }, `${isOpen ? "▾" : "▸"} ${id.slice(0, 8)}`);
    const row = make("tr", { class: isOpen ? "row open" : "row" }, columns.map((column) => cell(column, index, button)));
    row.addEventListener("click", (event) => {
      if (getSelection().toString() && !event.target.closest("button")) return; // who selects text does not open
      toggle(id, index, row);
    });
    return isOpen ? [row, detailRow(index)] : [row];
  }

  function cell(column, index, button) {
    const value = store.value(column.name, index);
    if (column.name === "id") return make("td", {}, button, store.value("recorded", index) ? " ♪" : null);
    if (column.name === "outcome") {
      const level = { completed: "good", failed: "bad" }[value] || "warn";
      return make("td", {}, make("span", { class: `badge ${level}` }, store.value("kind", index) || value));
    }
    if (!column.shown) return make("td", {}, value ?? "");
    return make("td", { class: "number", title: exactly(value) }, column.shown(value));
  }

  function toggle(id, index, row) {
    const closes = state.open.delete(id);
    if (!closes) state.open.add(id);
    const [fresh, detailed] = rowElements(index);
    if (closes) row.nextElementSibling.remove();
    row.replaceWith(fresh, ...(detailed ? [detailed] : []));
    fresh.querySelector(".toggle").focus({ preventScroll: true });
    const hash = closes ? "" : `#simulation=${encodeURIComponent(id)}`;
    history.pushState(null, "", hash || location.pathname + location.search);
  }

  function detailRow(index) {
    const inside = make("td", { colspan: columns.length }, make("p", { class: "quiet" }, "unpacking …"));
    store.details(index).then(
      (row) => inside.replaceChildren(row ? detail(row, store.value("recorded", index)) : leftOut(index)),
      (fault) => inside.replaceChildren(make("p", { class: "wrong" }, `expected details in this file; got ${fault.message}`)));
    return make("tr", { class: "detail" }, inside);
  }

  function leftOut(index) {
    return make("p", {}, `The details of ${store.value("id", index)} are not in this report; its line in simulations.jsonl has them.`);
  }

  function update() {
    choose();
    show();
  }

  // Opens a simulation wherever it is; false where the report does not have it.
  function open(id) {
    const index = store.column("id").indexOf(id);
    if (index < 0) return false;
    if (!order.includes(index)) {
      Object.assign(state, { text: "", chosen: {}, from: null, until: null, recorded: false });
      choose();
    }
    state.open.add(id);
    state.page = Math.floor(order.indexOf(index) / PAGE);
    show();
    const button = buttonOf(id);
    button.focus({ preventScroll: true });
    button.closest("tr").scrollIntoView({ block: "start" });
    return true;
  }

  return { state, update, open, show, several };
}
