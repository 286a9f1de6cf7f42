// What is shown of one conversation when its row is opened: what went wrong first.

function detail(row, isRecorded) {
  const begins = row.started_at ?? row.scheduled_at, drawn = speech(row);
  const player = isRecorded ? recording(row, begins, drawn) : null; // a slower one may have displaced it
  const parts = [];
  if (row.error) {
    const where = `${row.error.kind} at stage ${row.error.stage}${row.error.turn ? `, turn ${row.error.turn}` : ""}`;
    parts.push(make("div", { class: "wrong" }, make("strong", {}, where), make("p", {}, row.error.message)));
  }
  for (const check of (row.checks || []).filter((one) => !one.passed)) {
    parts.push(make("div", { class: "wrong" }, make("strong", {}, `check failed: ${check.name}`), make("p", {}, check.message || "")));
  }
  parts.push(make("p", { class: "quiet" }, identity(row, begins), " ", copying(row.simulation_output_id)));
  if (drawn) parts.push(make("h4", {}, "Who spoke when"), make("div", { class: "scroll", tabindex: 0 }, drawn.picture));
  if (player) parts.push(...player.shown);
  parts.push(make("h4", {}, "Transcript"), transcript(row, begins, player));
  if (row.checks && row.checks.length) {
    const lines = row.checks.map((one) => make("li", {}, `${one.passed ? "passed" : "failed"}: ${one.name}`));
    parts.push(make("h4", {}, "Checks"), make("ul", {}, lines));
  }
  const measured = Object.entries(row.metrics || {});
  if (measured.length) parts.push(make("h4", {}, "Measured once"), make("p", {}, inWords(measured)));
  if ((row.events || []).length) {
    const lines = row.events.map((one) => make("li", {},
      `${duration(one.at - begins)}: ${one.message_type || one.event || ""} `, make("code", {}, JSON.stringify(one.payload))));
    parts.push(make("details", {}, make("summary", {}, `Events (${row.events.length})`), make("ul", {}, lines)));
  }
  return make("div", { class: "inside" }, parts);
}

function identity(row, begins) {
  const said = [
    row.simulation_output_id, row.agent, row.test_case, `persona ${row.persona}`, `scenario ${row.scenario}`,
    begins === null ? "never began" : `began ${clock(begins)} into the run`,
  ];
  if (row.close_code !== null && row.close_code !== undefined) said.push(`close code ${row.close_code}`);
  return said.join(" · ");
}

function copying(id) {
  const button = make("button", { type: "button" }, "copy id");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(id);
      button.textContent = "copied";
    } catch {
      button.textContent = id;
      getSelection().selectAllChildren(button);
    }
  });
  return button;
}

function recording(row, begins, drawn) {
  if (!row.recording || !/^recordings\/[\w.-]+$/.test(row.recording.file)) return null;
  const audio = make("audio", { controls: true, preload: "none", src: row.recording.file });
  audio.addEventListener("timeupdate", () => drawn && drawn.showAt(row.recording.start + audio.currentTime));
  const note = make("p", { class: "quiet" },
    `Caller left, agent right. The file ${row.recording.file} has to lie beside this report; a click on a turn's time plays from there.`);
  audio.addEventListener("error", () => {
    note.textContent = `${row.recording.file} can't be played: it has to lie in the folder that this report is in.`;
  });
  return {
    shown: [make("h4", {}, "Recording"), audio, note],
    playFrom(at) {
      audio.currentTime = Math.max(0, at - row.recording.start);
      audio.play().catch(() => {});
    },
  };
}

function transcript(row, begins, player) {
  if (!(row.transcript || []).length) return make("p", { class: "quiet" }, "None: it was not kept, or nobody said anything.");
  return make("ol", { class: "turns" }, row.transcript.map((turn) => spokenTurn(turn, begins, player)));
}

const SPEAKERS = { user: "caller", assistant: "agent", tool: "tool" };

function spokenTurn(turn, begins, player) {
  const at = duration(turn.start - begins), exact = `${turn.start} s to ${turn.end} s of the run`;
  const time = player
    ? make("button", { type: "button", class: "at", title: `play from here; ${exact}`, click: () => player.playFrom(turn.start) }, at)
    : make("span", { class: "at", title: exact }, at);
  const measured = Object.entries(turn.metrics || {}).filter(([name]) => !name.startsWith("scheduled_"));
  const added = [];
  if (turn.interrupted) added.push("the caller barged in");
  if (turn.interrupted_caller) added.push("began while the caller spoke");
  if (turn.ended) added.push(`reply ${turn.ended}`);
  if (turn.usage) added.push(tokens(turn.usage));
  if (measured.length) added.push(inWords(measured));
  return make("li", { class: `turn ${turn.role}` }, time, make("span", {}, SPEAKERS[turn.role] || turn.role),
    make("span", { class: "said" }, said(turn)),
    misunderstood(turn) ? make("span", { class: "heard" }, `the agent understood: ${turn.transcribed || "nothing"}`) : null,
    added.length ? make("span", { class: "measured" }, added.join(" · ")) : null);
}

function said(turn) {
  if (turn.tool) return `${turn.type === "tool_call" ? "calls" : "result of"} ${turn.tool.name}: ${turn.tool.arguments ?? turn.content ?? ""}`;
  if (turn.type) return `${turn.type}: ${turn.content ?? ""}`;
  return turn.content ?? "(words not known)";
}

// How a transcription writes what it heard is no misunderstanding.
const asHeard = (words) => words.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim();

function misunderstood(turn) {
  return typeof turn.transcribed === "string" && asHeard(turn.transcribed) !== asHeard(turn.content ?? "");
}

function tokens(usage) {
  const ofAudio = (amount) => (amount === undefined ? "" : ` (${amount} of audio)`);
  const told = `${usage.input_tokens ?? "?"} tokens read${ofAudio(usage.input_audio_tokens)}, `
    + `${usage.output_tokens ?? "?"} written${ofAudio(usage.output_audio_tokens)}`;
  return usage.cached_tokens === undefined ? told : `${told}, ${usage.cached_tokens} from the cache`;
}

function inWords(measured) {
  return measured.map(([name, value]) => `${name} ${typeof value === "number" ? duration(value) : value}`).join(" · ");
}
