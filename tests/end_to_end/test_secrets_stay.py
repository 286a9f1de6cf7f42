"""Secrets go on the wire and nowhere else, even where an agent says them back in every way it can."""

import itertools
import json

import trio
from command import coval_load
from in_process import chat_plan, on_the_line, on_the_port

from coval_load.engine.run_folder import read_rows
from coval_load.reference.http_setup import read_body, read_head, respond

TOKEN = "tok-4f1d9c7be2"
KEY = "key with spaces & 'quotes' / \u00fc\\8a6b"
HEADER = "hdr-77aa31c05d"
BODY = "bdy-2b8e6f90a4"
SECRETS = (TOKEN, KEY, HEADER, BODY)
ENVIRONMENT = {"AGENT_TOKEN": TOKEN, "AGENT_KEY": KEY, "AGENT_BODY": BODY}
METADATA = {
    "authorization_header": "Bearer ${AGENT_TOKEN}",
    "custom_headers": {"X-Load": HEADER},
    "initialization_json": {"type": "start", "key": "${AGENT_KEY}", "body": "${AGENT_BODY}"},
    "non_audio_event_message_types": ["echo"],
}
HTTP_FIRST = {
    "connection_mode": "http_first",
    "http_headers": {"Authorization": "Bearer ${AGENT_TOKEN}", "X-Load": HEADER},
    "http_request_body": {"key": "${AGENT_KEY}", "body": "${AGENT_BODY}"},
    "websocket_url_response_path": "url",
}


def shown(secret):
    """Beginnings of the secret from which the rest could be guessed, in the forms that text takes on its way."""
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return {form[:7] for form in plain}


async def assert_silent(tmp_path, metadata, endpoint=None, http_url=None, simulations=1):
    """Runs and dials an agent; nothing printed or written shows a secret. Returns the rows of the run."""
    plan = chat_plan(
        endpoint,
        "hello ${AGENT_BODY}",
        metadata=metadata,
        timeouts={"response": "500ms"},
        load={"simulations": simulations},
    )
    if http_url is not None:
        plan["agents"][0]["metadata"] |= {"http_url": http_url}
        del plan["agents"][0]["metadata"]["endpoint"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    said = []

    async def say(*arguments):
        said.append(await coval_load(*arguments, cwd=tmp_path, env=ENVIRONMENT))

    async with trio.open_nursery() as commands:
        commands.start_soon(say, "run", "plan.json", "--json", "--out=run")
        commands.start_soon(say, "check", "plan.json", "--dial")
        commands.start_soon(say, "check", "plan.json", "--json")
    texts = {f"what {number} said": done.both for number, done in enumerate(said)}
    texts |= {path.name: path.read_text() for path in (tmp_path / "run").iterdir()}
    assert {"run.json", "summary.json", "simulations.jsonl"} <= texts.keys()
    for name, text in texts.items():
        for form in (form for secret in SECRETS for form in shown(secret)):
            assert form not in text, f"{form} in {name}: {text}"
        assert "Traceback" not in text
    rows = list(read_rows(tmp_path / "run" / "simulations.jsonl"))
    assert len(rows) == simulations
    return rows


async def test_in_replies_and_events(tmp_path):
    async def says_it_back(call):
        opening = await call.hear()
        assert (opening["key"], opening["body"]) == (KEY, BODY)
        assert call.headers["authorization"] == f"Bearer {TOKEN}"
        assert call.headers["x-load"] == HEADER
        asked = await call.hear()
        everything = " ".join([asked["text"], *SECRETS])
        await call.send(type="echo", event=everything, headers=call.headers, **{everything: [opening]})
        await call.send(type=everything)
        await call.say(everything)
        await call.stay()

    async with on_the_line(says_it_back) as endpoint:
        (row,) = await assert_silent(tmp_path, METADATA, endpoint)
    assert row["outcome"] == "completed"
    assert "***" in row["transcript"][1]["content"]
    assert "***" in row["events"][0]["event"]


async def test_in_the_reason_of_a_close(tmp_path):
    told = itertools.cycle(SECRETS)

    async def says_it_in_parting(call):
        await call.hear()
        await call.hang_up(4001, f"not welcome: {next(told)}")

    async with on_the_line(says_it_in_parting) as endpoint:
        rows = await assert_silent(tmp_path, METADATA, endpoint, simulations=8)
    for row in rows:
        assert row["error"]["kind"] == "connection_closed"
        assert "not welcome: ***" in row["error"]["message"]


async def test_in_what_can_not_be_read(tmp_path):
    """The excerpt of a message is cut short, which may be in the middle of a secret."""
    messages = itertools.cycle("x" * padding + secret for secret in SECRETS for padding in range(55, 85, 3))

    async def mumbles(call):
        await call.hear()
        await call.websocket.send_message(next(messages))
        await call.stay()

    async with on_the_line(mumbles) as endpoint:
        rows = await assert_silent(tmp_path, METADATA, endpoint, simulations=60)
    assert {row["error"]["kind"] for row in rows} == {"invalid_message"}


async def test_in_the_answer_to_an_upgrade(tmp_path):
    answers = itertools.cycle(itertools.product((401, 500), (0, 150, 170, 190), SECRETS))

    async def refuses(stream):
        head = await read_head(stream)
        status, padding, secret = next(answers)
        answer = "x" * padding + secret + head.headers["authorization"] + " ".join(SECRETS)
        await respond(stream, status, answer.encode(), "text/plain")

    async with on_the_port(refuses) as where:
        rows = await assert_silent(tmp_path, METADATA, f"ws://{where}", simulations=40)
    assert {row["error"]["kind"] for row in rows} == {"authentication_failed", "upgrade_refused"}


async def test_in_the_answer_to_the_set_up(tmp_path):
    answers = itertools.cycle(itertools.product((401, 429, 500, 200), (0, 110, 130, 150), SECRETS))

    async def says_it_back(stream):
        head = await read_head(stream)
        asked = await read_body(stream, head)
        assert json.loads(asked) == {"key": KEY, "body": BODY}
        assert head.headers["authorization"] == f"Bearer {TOKEN}"
        status, padding, secret = next(answers)
        await respond(stream, status, b"x" * padding + secret.encode() + asked)

    async with on_the_port(says_it_back) as where:
        rows = await assert_silent(tmp_path, HTTP_FIRST, http_url=f"http://{where}/sessions", simulations=70)
    assert {row["error"]["kind"] for row in rows} == {"authentication_failed", "rate_limited", "setup_failed"}


async def test_in_the_url_that_a_set_up_gives(tmp_path):
    async def says_it_back(stream):
        head = await read_head(stream)
        await read_body(stream, head)
        await respond(stream, 200, json.dumps({"url": f"wss://{TOKEN}.invalid/{HEADER}?key={BODY}"}).encode())

    async with on_the_port(says_it_back) as where:
        (row,) = await assert_silent(tmp_path, HTTP_FIRST, http_url=f"http://{where}/sessions")
    assert row["error"]["kind"] == "dns_failed"
