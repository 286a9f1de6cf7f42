// What was packed into the page: the columns of the table, and the details of 100 conversations in each chunk.

const PER_CHUNK = 100;
const SEARCHED = ["id", "agent", "test_case", "persona", "scenario", "outcome", "kind"];

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function openStore() {
  const columns = await unpack(find("packed-table").textContent), size = columns.id.length;
  const chunks = new Map(), shortTexts = new Array(size), spokenTexts = new Array(size);
  let reading = "";

  function chunk(number) {
    if (!chunks.has(number)) {
      if (chunks.size > 8) chunks.delete(chunks.keys().next().value);
      const packed = find(`packed-${number}`);
      const text = packed ? packed.textContent.trim() : "";
      chunks.set(number, text ? unpack(text) : Promise.resolve([]));
    }
    return chunks.get(number);
  }

  function text(index) {
    shortTexts[index] ??= SEARCHED.map((name) => columns[name][index] || "").join("\n").toLowerCase();
    return spokenTexts[index] === undefined ? shortTexts[index] : `${shortTexts[index]}\n${spokenTexts[index]}`;
  }

  // Each chunk once; `changed` is called now and then, as more becomes searchable.
  async function readTranscripts(changed) {
    if (reading) return;
    const amount = Math.ceil(size / PER_CHUNK);
    reading = "reading transcripts …";
    let shown = performance.now();
    for (let number = 0; number < amount; number += 1) {
      const rows = await chunk(number);
      rows.forEach((row, place) => { spokenTexts[number * PER_CHUNK + place] = row ? spoken(row) : ""; });
      if (performance.now() - shown > 300) {
        reading = `reading transcripts, ${Math.floor((100 * number) / amount)} % …`;
        changed();
        await new Promise((resolve) => { setTimeout(resolve); }); // keys are heard in between
        shown = performance.now();
      }
    }
    reading = "transcripts searched, too";
    changed();
  }

  return {
    size,
    text,
    readTranscripts,
    searching: () => reading,
    column: (name) => columns[name],
    value: (name, index) => columns[name][index] ?? null,
    ended: (index) => (columns.started_at[index] ?? columns.scheduled_at[index]) + (columns.seconds[index] ?? 0),
    details: async (index) => (await chunk(Math.floor(index / PER_CHUNK)))[index % PER_CHUNK] || null,
  };
}

function spoken(row) {
  const said = (row.transcript || []).flatMap((turn) => [
    turn.tool ? `${turn.tool.name} ${JSON.stringify(turn.tool.arguments ?? "")}` : "",
    turn.content || "", turn.transcribed || "", turn.ended || "",
  ]);
  return [...said, row.error ? row.error.message : ""].join("\n").toLowerCase();
}
