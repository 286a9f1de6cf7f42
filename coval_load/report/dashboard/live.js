// Asks each second how the run stands and shows it; every text is set as text.

const EVERY_MS = 1000, SELDOM_MS = 5000, PATIENCE_MS = 10000, MISSED_AT_MOST = 3;
const OURS = { "x-coval-load": "1" };
let missed = 0, last = null, asking = 0;

const put = (id, ...children) => find(id).replaceChildren(...children.flat());
const number = (value) => make("td", { class: "number" }, value);
const badge = (level, word) => make("span", { class: `badge ${level}` }, word);
const breakable = (name) => name.split("_").flatMap((part, at) => (at ? ["_", make("wbr"), part] : [part]));

// Said once to those who listen to the page instead of looking at it, so only when there is something new.
function tell(news, level = "") {
  if (find("news").textContent === news) return;
  find("news").textContent = news;
  find("news").className = level;
}

function hide(id) {
  if (find(id).contains(document.activeElement)) find("news").focus();
  find(id).hidden = true;
}

function showCounts(state) {
  const counts = state.counts, shown = [
    ["running", state.running], ["waiting for a place", state.queued], ["completed", counts.completed],
    ["failed", counts.failed, counts.failed ? "bad" : "", counts.completed + counts.failed],
    ["dropped", counts.dropped, counts.dropped ? "warn" : "", counts.offered], ["cancelled", counts.cancelled],
  ];
  put("counts", shown.filter(([name, amount], at) => amount || at < 4).map(([name, amount, level, of]) =>
    make("div", { class: level || null }, make("dt", {}, name),
      make("dd", {}, amount.toLocaleString("en"), amount && of ? make("small", {}, ` ${(100 * amount / of).toFixed(1)} %`) : null))));
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
  find("waiting").hidden = state.over;
  put("waiting-told", who === null ? "nobody waits"
    : `${duration(Math.max(0, state.at_s - who.since_s))} for ${who.agent}: ${who.test_case}, turn ${who.turn} (${who.simulation_output_id})`);
}

function showLatencies(state) {
  const cell = (entry, key) => make("td", { class: key === "p90" ? "number spare" : "number", title: exactly(entry[key]) }, duration(entry[key]));
  const row = (name, entry) => make("tr", {}, make("th", { scope: "row" }, breakable(name)),
    make("td", { class: "number spare" }, entry.count.toLocaleString("en")),
    ["p50", "p90", "p95", "p99", "max"].map((key) => cell(entry, key)));
  const rows = (entries) => Object.entries(entries).map(([name, entry]) => row(name, entry));
  put("latencies", row(`response_latency, last ${state.recent_s} s`, state.recent), rows(state.metrics));
  put("other-latencies", rows(state.others));
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
    const concurrency = Number(input.value);
    act("api/concurrency", { scenario: scenario.number, concurrency }, `${scenario.name}: ${concurrency.toLocaleString("en")} at once from now on`);
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
  if (state.over) hide("control");
  else find("control").hidden = false;
  if (state.stopping && document.activeElement === find("stop")) find("said").focus();
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
  const word = state.over ? "ended after" : "running for";
  find("standing").textContent = `${word} ${clock(state.at_s)}${stages.length ? `; ${stages.join(", ")}` : ""}`;
  find("now-title").textContent = state.over ? "At the end" : "Now";
}

const whereAll = (state) => `The whole of it is in report.html of its folder, ${state.folder}`;
function showNews(state) {
  if (state.over) tell(`the run is over. ${whereAll(state)}`, "over");
  else tell(state.stopping ? "stopping: no more are started, the running ones finish" : "");
}

const SHOWS = [showStages, showCounts, showTrust, showWaiting, showLatencies, showThresholds, showErrors, showLoads, showNotes, showNews];

function show(state) {
  if (last !== null && state.folder !== last.folder) {
    tell("another run goes on here now: reload this page to see it. This is the one before", "over");
    return;
  }
  find("name").textContent = state.name;
  if (!state.begun) {
    tell("connected: the first second of the run is not over yet");
    return;
  }
  const { completed, failed } = state.counts;
  document.title = `${failed ? `${failed} failed, ` : ""}${completed} completed - ${state.name}`;
  last = state;
  find("run").hidden = false;
  for (const part of SHOWS) part(state);
  document.dispatchEvent(new CustomEvent("run-stands", { detail: state }));
}

function lose() {
  missed += 1;
  if (missed < MISSED_AT_MOST || (last !== null && last.over)) return;
  if (last === null) {
    tell("the run can't be reached", "lost");
    return;
  }
  find("standing").textContent = "";
  find("now-title").textContent = `When last heard of, at ${clock(last.at_s)}`;
  tell(`the run is over, or can't be reached; this is how it stood at ${clock(last.at_s)}. ${whereAll(last)}`, "lost");
  for (const part of ["control", "waiting"]) hide(part);
}

async function act(path, body, done) {
  try {
    const answer = await fetch(path, { method: "POST", headers: OURS, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) });
    const told = answer.ok ? null : await answer.text();
    find("said").textContent = told === null ? done : wrongIn(told);
  } catch (fault) {
    find("said").textContent = `expected an answer of the run; got: ${fault.message}`;
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
  clearTimeout(asking);
  asking = null;
  try {
    const answer = await fetch("api/state", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.status === 401) location.reload(); // another run, which has another token
    if (!answer.ok) throw new Error(String(answer.status));
    const state = await answer.json();
    missed = 0;
    show(state);
  } catch (fault) {
    lose();
  }
  asking = setTimeout(ask, missed >= MISSED_AT_MOST || (last !== null && last.over) ? SELDOM_MS : EVERY_MS);
}

// A browser lets a page that nobody sees wait for long; what it missed meanwhile comes with the next answer.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && asking !== null) ask();
});
ask();
