// Asks each second how the run stands and shows it; every text is set as text.

const EVERY_MS = 1000;
const OURS = { "x-coval-load": "1" };
let missed = 0, last = null;

const put = (id, ...children) => find(id).replaceChildren(...children.flat());
const number = (value) => make("td", { class: "number" }, value);
const badge = (level, word) => make("span", { class: `badge ${level}` }, word);

function showCounts(state) {
  const counts = state.counts, shown = [
    ["running", state.running], ["waiting for a place", state.queued], ["completed", counts.completed],
    ["failed", counts.failed, counts.failed ? "bad" : ""], ["dropped", counts.dropped, counts.dropped ? "warn" : ""],
    ["cancelled", counts.cancelled],
  ];
  put("counts", shown.filter(([name, amount], at) => amount || at < 4).map(([name, amount, level]) =>
    make("div", { class: level || null }, make("dt", {}, name), make("dd", {}, amount.toLocaleString("en")))));
}

function showTrust(state) {
  const level = { valid: "good", degraded: "warn", invalid: "bad" }[state.generator.verdict];
  const told = { valid: "keeps up: its numbers can be trusted", degraded: "can be trusted with care", invalid: "can't be trusted" };
  find("trust").className = `card ${level}`;
  const cpu = state.cpu_share === null ? "" : `CPU at ${(state.cpu_share * 100).toFixed(0)} % of a core`;
  put("trust-told",
    make("p", {}, badge(level, state.generator.verdict), ` ${told[state.generator.verdict]}`),
    state.generator.reasons.length ? make("ul", {}, state.generator.reasons.map((reason) => make("li", {}, reason))) : [],
    cpu ? make("p", { class: "quiet" }, cpu) : []);
}

function showWaiting(state) {
  const who = state.waiting;
  put("waiting-told", who === null ? "nobody waits"
    : `${duration(Math.max(0, state.at_s - who.since_s))} for ${who.agent}: ${who.test_case}, turn ${who.turn} (${who.simulation_output_id})`);
}

function showLatencies(state) {
  const row = (name, entry) => make("tr", {}, make("th", { scope: "row" }, name), number(entry.count.toLocaleString("en")),
    ["p50", "p90", "p95", "p99", "max"].map((key) => make("td", { class: "number", title: exactly(entry[key]) }, duration(entry[key]))));
  const whole = Object.entries(state.metrics).map(([name, entry]) => row(name, entry));
  put("latencies", row(`response_latency, last ${state.recent_s} s`, state.recent), whole);
}

function showThresholds(state) {
  find("thresholds").hidden = !state.thresholds.length;
  put("threshold-rows", state.thresholds.map((one) => make("tr", {},
    make("td", {}, badge(one.passed ? "good" : "bad", one.passed ? "holds" : "crossed")), make("th", { scope: "row" }, one.metric),
    make("td", { class: "value" }, one.threshold), make("td", { class: "message" }, one.reason))));
}

function showErrors(state) {
  const kinds = Object.entries(state.errors).sort((one, other) => other[1] - one[1]);
  find("errors").hidden = !kinds.length;
  put("error-rows", kinds.map(([kind, amount]) => {
    const latest = state.latest_errors[kind];
    return make("tr", {}, make("th", { scope: "row" }, kind), number(amount.toLocaleString("en")),
      make("td", {}, latest ? clock(latest.at_s) : "before"), make("td", { class: "message" }, latest ? latest.message : ""));
  }));
}

// A form is made once: what somebody types into it must not be taken away each second.
const forms = new Map();
function formFor(scenario) {
  const input = make("input", { type: "number", min: 1, max: 100000, step: 1, required: true, value: scenario.wanted });
  const told = make("span", {});
  const form = make("form", {}, make("label", {}, told, input), make("button", { type: "submit" }, "Change"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act("api/concurrency", { scenario: scenario.number, concurrency: Number(input.value) }, `from now on ${input.value} at once`);
  });
  return { form, told, input };
}

function showLoads(state) {
  for (const scenario of state.scenarios) {
    let made = forms.get(scenario.number);
    if (!made) {
      made = formFor(scenario);
      forms.set(scenario.number, made);
      find("loads").append(made.form);
    }
    const asked = scenario.wanted === null ? "" : `: ${scenario.wanted.toLocaleString("en")} at once`;
    made.told.textContent = `${scenario.name}${asked}`;
    for (const part of [made.input, made.form.querySelector("button")]) part.hidden = !scenario.changeable;
  }
  find("stop").disabled = state.stopping;
}

function showNotes(state) {
  const changes = state.changes.map((one) => `concurrency of ${one.scenario}: ${one.before} until ${clock(one.at)}, then ${one.concurrency}`);
  const notes = [...changes, ...state.notes];
  find("notes").hidden = !notes.length;
  put("note-rows", notes.map((note) => make("li", {}, note)));
}

function showStages(state) {
  const stages = Object.entries(state.stages).map(([stage, amount]) => `${amount.toLocaleString("en")} in ${stage}`);
  const word = state.stopping ? "stopping: the running ones finish" : "running";
  const standing = find("standing");
  standing.className = "";
  standing.textContent = `${word} for ${clock(state.at_s)}${stages.length ? `; ${stages.join(", ")}` : ""}`;
}

const SHOWS = [showStages, showCounts, showTrust, showWaiting, showLatencies, showThresholds, showErrors, showLoads, showNotes];

function show(state) {
  document.title = `${state.name} - coval-load`;
  find("name").textContent = state.name;
  if (!state.begun) return;
  last = state;
  for (const part of SHOWS) part(state);
  document.dispatchEvent(new CustomEvent("run-stands", { detail: state }));
}

function lose() {
  missed += 1;
  if (missed < 3) return;
  const standing = find("standing");
  standing.className = "lost";
  standing.textContent = last === null ? "the run can't be reached"
    : `the run is over, or can't be reached; this is how it stood at ${clock(last.at_s)}. The whole of it is in report.html of its folder`;
  find("stop").disabled = true;
}

async function act(path, body, done) {
  try {
    const answer = await fetch(path, { method: "POST", headers: OURS, body: JSON.stringify(body) });
    const told = answer.ok ? null : await answer.text();
    find("said").textContent = told === null ? done : wrongIn(told);
  } catch (fault) {
    find("said").textContent = `that could not be asked for: ${fault.message}`;
  }
}

function wrongIn(text) {
  try {
    return JSON.parse(text).wrong;
  } catch (fault) {
    return text;
  }
}

find("stop").addEventListener("click", () => act("api/stop", {}, "no more are started; the running ones finish"));

async function ask() {
  try {
    const answer = await fetch("api/state", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    missed = 0;
  } catch (fault) {
    lose();
  }
  setTimeout(ask, EVERY_MS);
}

ask();
