"""`record.transcripts`: what of a conversation stays in its row."""

import pytest
from in_process import chat_plan, on_the_line, run

WORDS = "words that nobody should find"


async def answers_with_an_event(call):
    await call.hear()
    await call.send(type="transcript", event="said", text=WORDS)
    await call.say(WORDS)
    await call.stay()


@pytest.mark.parametrize("keep", ["all", "none"])
async def test_words_are_kept_or_not_and_what_was_measured_is_either_way(virtual_time, tmp_path, keep):
    metadata = {"non_audio_event_message_types": ["transcript"]}
    async with on_the_line(answers_with_an_event) as endpoint:
        plan = chat_plan(endpoint, "hello", metadata=metadata, record={"transcripts": keep})
        ran = await run(plan, tmp_path / "run")
    assert ran.row["outcome"] == "completed"
    assert (len(ran.row["transcript"]), len(ran.row["events"])) == ((2, 1) if keep == "all" else (0, 0))
    assert (WORDS in (tmp_path / "run" / "simulations.jsonl").read_text()) is (keep == "all")
    assert ran.summary["metrics"]["response_latency"]["count"] == 1
    assert ran.summary["counters"]["turns"] == 1
