"""Tool calls of chat over HTTP in detail: what stands in the transcript when, and whose time is counted."""

import json

import pytest
import trio
from http_agent import converse

TOOL = {"tool": "lookup_order", "result": {"status": "shipped"}}


def entries(ran):
    return [(entry["role"], entry.get("type"), entry["content"]) for entry in ran.row["transcript"]]


def is_asked(asked):
    return asked.json["messages"][-1]["role"] == "user"


async def test_a_text_beside_tool_calls_stands_before_them(virtual_time, tmp_path):
    async def says_what_it_does(asked):
        await trio.sleep(0.5)
        if is_asked(asked):
            await asked.call_tool("lookup_order", {}, text="Let me look.")
        else:
            await asked.say("It is shipped.")

    ran, _ = await converse(tmp_path, says_what_it_does, "where is it?", case={"tool_results": [TOOL]})
    assert entries(ran) == [
        ("user", None, "where is it?"),
        ("assistant", None, "Let me look."),
        ("assistant", "tool_call", None),
        ("tool", "tool_result", '{"status":"shipped"}'),
        ("assistant", None, "It is shipped."),
    ]
    assert [entry["start"] for entry in ran.row["transcript"]] == pytest.approx([0, 0.5, 0.5, 0.5, 1], abs=0.01)
    assert ran.of_metric("response_latency") == pytest.approx([0.5], abs=0.005)
    assert ran.of_metric("response_time") == pytest.approx([1], abs=0.01)


async def test_each_streamed_text_of_a_turn_is_measured(virtual_time, tmp_path):
    async def streams(asked):
        await trio.sleep(0.5)
        await asked.begin(content_type="text/event-stream")
        if is_asked(asked):
            for piece in ("Let me ", "look."):
                await asked.piece(piece)
                await trio.sleep(0.25)
            function = {"name": "lookup_order", "arguments": "{}"}
            call = {"index": 0, "id": "c", "function": function}
            await asked.event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "stop"}]})
        else:
            await asked.piece("Done.")
        await asked.event("[DONE]")
        await asked.end()

    ran, _ = await converse(tmp_path, streams, "hi", case={"tool_results": [TOOL]}, metadata={"stream": True})
    assert [content for _, _, content in entries(ran)] == ["hi", "Let me look.", None, '{"status":"shipped"}', "Done."]
    assert ran.of_metric("ttft") == pytest.approx([0.5, 0.5], abs=0.005)
    assert ran.of_metric("response_latency") == pytest.approx([0.5], abs=0.005)
    assert ran.summary["metrics"]["inter_chunk_latency"]["count"] == 1
    called = ran.row["transcript"][2]
    assert called["start"] == pytest.approx(1, abs=0.01)


async def test_waiting_out_a_429_between_rounds_is_no_time_of_the_agent(virtual_time, tmp_path):
    refused = []

    async def limits_the_second_round(asked):
        await trio.sleep(0.5)
        if is_asked(asked):
            await asked.call_tool("lookup_order", {})
        elif not refused:
            refused.append(asked)
            await asked.answer({}, status=429, retry_after="3")
        else:
            await asked.begin(content_type="text/event-stream")
            await asked.piece("Done.")
            await asked.event("[DONE]")
            await asked.end()

    metadata = {"stream": True, "honor_retry_after": True}
    ran, _ = await converse(tmp_path, limits_the_second_round, "hi", case={"tool_results": [TOOL]}, metadata=metadata)
    assert ran.of_metric("response_latency") == pytest.approx([1], abs=0.01)
    assert ran.of_metric("scheduled_response_latency") == pytest.approx([0.5 + 0.5 + 3 + 0.5], abs=0.02)
    assert ran.of_metric("ttft") == pytest.approx([0.5], abs=0.01)
    assert ran.of_metric("scheduled_ttft") == pytest.approx([0.5 + 3 + 0.5], abs=0.02)
    assert ran.of_metric("turn_time") == pytest.approx([4.5], abs=0.02)


@pytest.mark.parametrize("text", ["Bye.", None])
async def test_an_agent_that_ended_the_conversation_is_sent_no_results(virtual_time, tmp_path, text):
    async def ends(asked):
        call = {"id": "c", "type": "function", "function": {"name": "lookup_order", "arguments": "{}"}}
        message = {"role": "assistant", "content": text, "tool_calls": [call]}
        await asked.answer({"status": "ended", "choices": [{"message": message}]})

    ran, agent = await converse(tmp_path, ends, "one", "two", case={"tool_results": [TOOL]})
    assert ran.row["outcome"] == "completed", ran.error
    said = [("assistant", None, text)] if text else []
    assert entries(ran) == [("user", None, "one"), *said, ("assistant", "tool_call", None)]
    assert len(agent.asked) == 1
    assert ran.summary["counters"]["ended_by_agent"] == 1


async def test_a_turn_that_ends_without_another_word_keeps_its_numbers(virtual_time, tmp_path):
    async def ends_after_the_result(asked):
        await trio.sleep(0.5)
        if is_asked(asked):
            await asked.call_tool("lookup_order", {}, text="One moment.")
        else:
            await asked.answer({"status": "ended"})

    ran, _ = await converse(tmp_path, ends_after_the_result, "hi", case={"tool_results": [TOOL]})
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.of_metric("response_latency") == pytest.approx([0.5], abs=0.005)


async def test_parallel_calls_with_results_for_some_only_are_sent_none(virtual_time, tmp_path):
    async def calls_two(asked):
        calls = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
            for call_id, name in (("a", "lookup_order"), ("b", "book_flight"))
        ]
        await asked.answer({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": calls}}]})

    ran, agent = await converse(tmp_path, calls_two, "hi", case={"tool_results": [TOOL]})
    assert (ran.error["kind"], len(agent.asked)) == ("no_response", 1)
    assert "'book_flight'" in ran.error["message"]
    assert [entry[1] for entry in entries(ran)] == [None, "tool_call", "tool_call"]


async def test_parallel_calls_are_answered_together_in_the_responses_format(virtual_time, tmp_path):
    async def calls_two(asked):
        if asked.json["messages"][-1].get("role") != "user":
            await asked.answer({"output": [{"type": "message", "content": [{"type": "output_text", "text": "Done"}]}]})
            return
        calls = [
            {"type": "function_call", "call_id": call_id, "name": "lookup_order", "arguments": "{}"}
            for call_id in ("a", "b")
        ]
        said = {"type": "message", "content": [{"type": "output_text", "text": "Looking."}]}
        await asked.answer({"output": [said, *calls]})

    metadata = {"response_format": "responses", "strip_message_timestamps": True}
    ran, agent = await converse(tmp_path, calls_two, "hi", case={"tool_results": [TOOL]}, metadata=metadata)
    assert ran.row["outcome"] == "completed", ran.error
    call = {"type": "function_call", "name": "lookup_order", "arguments": "{}"}
    output = {"type": "function_call_output", "output": json.dumps({"status": "shipped"}, separators=(",", ":"))}
    assert agent.asked[-1].json["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Looking."},
        {**call, "call_id": "a"},
        {**call, "call_id": "b"},
        {**output, "call_id": "a"},
        {**output, "call_id": "b"},
    ]


async def test_results_need_a_template_that_sends_the_history(virtual_time, tmp_path):
    async def calls(asked):
        await asked.call_tool("lookup_order", {})

    metadata = {"input_template": '{"question": "{{latest_message}}"}'}
    ran, agent = await converse(tmp_path, calls, "hi", case={"tool_results": [TOOL]}, metadata=metadata)
    assert ran.error["kind"] == "setup_failed"
    assert "input_template: {{messages}}: expected it in the template" in ran.error["message"]
    assert len(agent.asked) == 1
