// Who spoke when, as a picture: a lane for the caller, one for the agent, and marks for what is neither.

const LANES = { user: 26, assistant: 62 };
const SIGNS = { dtmf: "#", media: "▣", text: "¶", tool_call: "⚙", tool_result: "↩" };
const WIDE = 1000, LEFT = 62, TALL = 132, THICK = 26;
const NICE_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

function overlaps(turns) {
  const spoken = (role) => turns.filter((turn) => turn.role === role && !turn.type && turn.end > turn.start);
  const agent = spoken("assistant");
  return spoken("user").flatMap((mine) => agent
    .map((its) => [Math.max(mine.start, its.start), Math.min(mine.end, its.end)])
    .filter(([begins, ends]) => ends > begins));
}

function speech(row) {
  const turns = row.transcript || [], begins = row.started_at ?? row.scheduled_at;
  if (!turns.length || begins === null) return null;
  const ends = Math.max(row.ended_at, ...turns.map((turn) => turn.end), begins + 0.001);
  const scale = (WIDE - LEFT - 8) / (ends - begins), x = (at) => LEFT + (at - begins) * scale;
  const both = overlaps(turns);
  const picture = draw("svg", {
    class: "speech", viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": speechInWords(turns, both, begins),
  });
  picture.append(draw("defs", {}, draw("pattern", {
    id: "hatched", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  }, draw("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }))));
  for (const [role, y] of Object.entries(LANES)) {
    picture.append(
      draw("text", { x: 0, y: y + THICK / 2 + 4 }, role === "user" ? "caller" : "agent"),
      draw("rect", { x: LEFT, y, width: WIDE - LEFT - 8, height: THICK, class: "lane" }));
  }
  for (const turn of turns) picture.append(...drawnTurn(turn, x));
  for (const [from, to] of both) {
    picture.append(draw("rect", {
      x: x(from), y: LANES.user, width: Math.max(2, x(to) - x(from)), height: LANES.assistant + THICK - LANES.user,
      class: "overlap",
    }, draw("title", {}, `both spoke for ${duration(to - from)}`)));
  }
  if (row.error) picture.append(...mark(x(row.ended_at), 16, "✕", row.error.kind, "end"));
  picture.append(...timeAxis(begins, ends, x));
  const playing = draw("line", { class: "playing", y1: 20, y2: 104, x1: -9, x2: -9 });
  picture.append(playing);
  return { picture, showAt(at) { for (const end of ["x1", "x2"]) playing.setAttribute(end, x(at)); } };
}

function drawnTurn(turn, x) {
  const from = x(turn.start), wide = Math.max(2, x(turn.end) - from);
  if (turn.type) {
    const what = turn.tool ? `${turn.type} ${turn.tool.name}` : `${turn.type}: ${(turn.content || "").slice(0, 200)}`;
    return mark(turn.type === "tool_result" ? from + 15 : from, 16, SIGNS[turn.type] || "•", what);
  }
  const lane = LANES[turn.role];
  if (lane === undefined) return [];
  const drawn = [draw("rect", { x: from, y: lane, width: wide, height: THICK, rx: 2, class: turn.role },
    draw("title", {}, `${turn.role === "user" ? "caller" : "agent"}, ${duration(turn.end - turn.start)}: ${(turn.content || "").slice(0, 200)}`))];
  if (turn.interrupted) drawn.push(...mark(x(turn.end), 116, "⟂", "the agent stopped: the caller had barged in"));
  if (turn.interrupted_caller) drawn.push(...mark(from, 116, "⟂", "the agent began while the caller spoke"));
  return drawn;
}

function mark(x, y, sign, what, anchor = "middle") {
  return [draw("text", { x, y, "text-anchor": anchor, class: "mark" }, draw("title", {}, what), sign)];
}

function timeAxis(begins, ends, x) {
  const step = NICE_S.find((one) => (ends - begins) / one <= 10) || (ends - begins) / 10, drawn = [];
  for (let tick = 0; tick * step <= ends - begins; tick += 1) {
    const at = x(begins + tick * step);
    drawn.push(
      draw("line", { x1: at, x2: at, y1: 96, y2: 101, class: "mark" }),
      draw("text", { x: at, y: 114, "text-anchor": "middle" }, `${+(tick * step).toFixed(1)} s`));
  }
  return drawn;
}

function speechInWords(turns, both, begins) {
  const spoken = (role) => turns.filter((turn) => turn.role === role && !turn.type);
  const long = (role) => spoken(role).reduce((sum, turn) => sum + turn.end - turn.start, 0);
  const said = [
    `caller: ${many(spoken("user").length, "turn")}, ${duration(long("user"))} in all`,
    `agent: ${many(spoken("assistant").length, "turn")}, ${duration(long("assistant"))} in all`,
  ];
  said.push(both.length
    ? `both spoke at once ${many(both.length, "time")}, first ${duration(both[0][0] - begins)} into the conversation`
    : "they never spoke at once");
  return `Who spoke when. ${said.join("; ")}.`;
}
