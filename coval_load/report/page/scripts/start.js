// Begins: unpacks the table, listens to filters, keys and the address.

const facts = JSON.parse(find("data").textContent);
const LETTERS_FOR_TRANSCRIPTS = 3;

function tell(store, table) {
  return (amount, first) => {
    const page = amount > PAGE ? `, ${first + 1} to ${Math.min(first + PAGE, amount)} of them here` : "";
    const left = facts.total > facts.shown ? ` (of ${many(facts.total, "simulation")} in the run)` : "";
    const within = table().state.from !== null || table().state.until !== null ? `, in progress between ${clock(table().state.from ?? 0)} and ${table().state.until === null ? "the end" : clock(table().state.until)}` : "";
    const searched = store.searching() ? `; ${store.searching()}` : "";
    find("shown").textContent = `${amount.toLocaleString("en")} of ${many(store.size, "simulation")}${left}${within}${page}${searched}`;
  };
}

function fillFilters(store, table) {
  for (const [name, label] of Object.entries(FILTERS)) {
    const select = find(`filter-${name}`), amounts = new Map();
    for (const value of store.column(name)) if (value) amounts.set(value, (amounts.get(value) || 0) + 1);
    const sorted = [...amounts].sort((one, other) => other[1] - one[1]);
    select.replaceChildren(make("option", { value: "" }, `any ${label}`),
      ...sorted.map(([value, amount]) => make("option", { value }, `${value} (${amount.toLocaleString("en")})`)));
    select.closest("label").hidden = sorted.length < (name === "kind" ? 1 : 2);
  }
  find("filter-recording").closest("label").hidden = !facts.recordings;
}

function showState(state) {
  find("search").value = state.text;
  find("filter-recording").checked = state.recorded;
  for (const name of Object.keys(FILTERS)) find(`filter-${name}`).value = state.chosen[name] || "";
}

function follow(table) {
  let opened = null;
  return () => {
    const asked = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")), id = asked.get("simulation");
    if (opened && opened !== id) table.state.open.delete(opened);
    opened = id;
    if (id !== null) {
      const found = table.open(id);
      showState(table.state);
      if (found) return;
      find("shown").textContent = `simulation ${id} is not in this report, look for it in simulations.jsonl`;
      find("simulations").scrollIntoView();
      return;
    }
    const chosen = Object.keys(FILTERS).filter((name) => asked.has(name));
    if (chosen.length || asked.has("from") || asked.has("until")) {
      const time = (name) => (asked.has(name) && Number.isFinite(+asked.get(name)) ? +asked.get(name) : null);
      Object.assign(table.state, {
        text: "", recorded: false, page: 0, from: time("from"), until: time("until"),
        chosen: Object.fromEntries(chosen.map((name) => [name, asked.get(name)])),
      });
      showState(table.state);
      find("simulations").scrollIntoView();
      find("simulations").focus({ preventScroll: true });
    }
    table.update();
  };
}

function listen(store, table) {
  const changed = () => {
    Object.assign(table.state, { text: find("search").value, recorded: find("filter-recording").checked, page: 0 });
    for (const name of Object.keys(FILTERS)) table.state.chosen[name] = find(`filter-${name}`).value;
    if (table.state.text.trim().length >= LETTERS_FOR_TRANSCRIPTS) store.readTranscripts(table.update);
    table.update();
  };
  let waiting = 0;
  find("filters").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 80);
  });
  find("filters").addEventListener("reset", () => setTimeout(() => {
    Object.assign(table.state, { from: null, until: null });
    changed();
  }));
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("search").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    clearTimeout(waiting);
    changed();
    const first = find("rows").querySelector(".toggle");
    if (first) first.focus();
  });
  find("rows").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.classList.contains("toggle")) return;
    event.preventDefault();
    const all = [...find("rows").querySelectorAll(".toggle")], next = all[all.indexOf(event.target) + step];
    (next || (step < 0 ? find("search") : event.target)).focus();
  });
}

async function start() {
  const store = await openStore();
  const table = tableOf(store, tell(store, () => table));
  fillFilters(store, table);
  listen(store, table);
  const followed = follow(table);
  addEventListener("hashchange", followed);
  addEventListener("popstate", followed);
  followed();
  performance.mark("table shown");
}

start().catch((fault) => {
  find("shown").textContent = `the table could not be shown: ${fault.message}. A newer browser may help; simulations.jsonl has all`;
});
