"""The commands, as processes: what they print where, and what they exit with."""

import json
import re

import yaml
from command import ESCAPE, coval_load, side_by_side
from in_process import chat_plan, on_the_line

from coval_load.engine.run_folder import read_rows

LIFTED = ["--allow-private", "--allow-plaintext"]


async def answers(call):
    while True:
        await call.say("you said " + (await call.hear())["text"])


def write(folder, name, content):
    (folder / name).write_text(json.dumps(content))
    return folder / name


async def test_help(tmp_path):
    commands = ["", " demo", " run", " check", " reference-agent"]
    for command, done in zip(
        commands, await side_by_side(*([*command.split(), "--help"] for command in commands), cwd=tmp_path), strict=True
    ):
        assert (done.exit_code, done.err) == (0, "")
        assert done.out.startswith(f"Usage: coval-load{command} ")
        assert "Example" in done.out or not command
    assert list(tmp_path.iterdir()) == []


async def test_version(tmp_path):
    done = await coval_load("--version", cwd=tmp_path)
    assert done.exit_code == 0
    assert done.out.startswith("coval-load, version ")


WRONG = {
    "runn": "No such command",
    "run": "expected a PLAN or --agent",
    "run nowhere.yaml": "does not exist",
    "run --agent nowhere.json": "does not exist",
    "check": "Missing argument",
    "demo --concurrency 0": "--concurrency",
    "demo --duration 5": "such as 300ms, 2s, 10m or 8h",
    "reference-agent --port 99999999": "--port",
}


async def test_wrong_command_lines(tmp_path):
    for told, done in zip(
        WRONG.values(), await side_by_side(*(line.split() for line in WRONG), cwd=tmp_path), strict=True
    ):
        assert (done.exit_code, done.out) == (2, "")
        assert told in done.err
        assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


async def test_run_as_json(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = write(tmp_path, "plan.json", chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 4}))
        done = await coval_load("run", plan, "--json", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.exit_code == 0, done.both
    assert json.loads(done.out) == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert json.loads(done.out)["counts"]["completed"] == 4
    assert str(tmp_path / "run") in done.err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["exit_code"] == 0


async def test_options_overrule_the_plan(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 9, "duration": "1h"})
        plan["targets"] = {}
        cases = write(tmp_path, "cases.json", [{"id": "mine", "turns": [{"type": "text", "text": "mine"}]}])
        write(tmp_path, "plan.json", plan)
        numbers = ["--simulations=3", "--concurrency=2", "--per-agent=12", "--seed=5"]
        options = [*numbers, "--test-set", cases, "--out=run", *LIFTED]
        done = await coval_load("run", "plan.json", *options, cwd=tmp_path)
    assert done.exit_code == 0, done.both
    rows = list(read_rows(tmp_path / "run" / "simulations.jsonl"))
    assert [row["test_case"] for row in rows] == ["mine"] * 3
    resolved = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    assert (resolved["load"]["concurrency"], resolved["seed"], resolved["limits"]) == (2, 5, {"per_agent": 12})


async def test_run_with_nothing_but_an_agent(tmp_path, chat_agent):
    options = ["--ca-file", chat_agent / "ca.pem", "--allow-private", "--concurrency=2", "--out=run"]
    done = await coval_load("run", "--agent", chat_agent / "agent.json", *options, cwd=tmp_path)
    assert done.exit_code == 0, done.both
    assert len({row["test_case"] for row in read_rows(tmp_path / "run" / "simulations.jsonl")}) == 2


async def test_the_plan_that_a_reference_agent_writes_runs(tmp_path, chat_agent):
    done = await coval_load("run", chat_agent / "plan.yaml", "--simulations=2", cwd=tmp_path)
    assert done.exit_code == 0, done.both


async def test_a_folder_that_has_a_run_in_it_is_refused(tmp_path):
    async with on_the_line(answers) as endpoint:
        plan = write(tmp_path, "plan.json", chat_plan(endpoint, "hello"))
        assert (await coval_load("run", plan, "--out=run", cwd=tmp_path)).exit_code == 0
        before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        again = await coval_load("run", plan, "--out=run", cwd=tmp_path)
    assert (again.exit_code, again.out) == (2, "")
    assert "it has a run in it already; give another one with --out" in again.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


async def test_nothing_completed_is_exit_code_3(tmp_path):
    plan = write(tmp_path, "plan.json", chat_plan("ws://127.0.0.1:1", "hello"))
    done = await coval_load("run", plan, cwd=tmp_path)
    assert done.exit_code == 3
    assert "connection_refused" in done.out
    assert done.tells("Connection refused")


async def test_check_tells_every_fault_at_once_and_shows_no_secret(tmp_path):
    write(
        tmp_path,
        "agent.json",
        {
            "display_name": "",
            "model_type": "MODEL_TYPE_WEBSOCKET",
            "metadata": {
                "endpoint": "http://localhost/x?api_key=hush-hush-1",
                "send_sample_rate_hertz": 44100,
                "authorization_header": "Token hush-hush-2",
                "custom_headers": {"X-Key": "${NO_SUCH_VARIABLE}", "X-Other": "hush-hush-3\n"},
                "send_audio_template": "{{audio}}",
                "bogus": "${PRESENT}",
            },
        },
    )
    plan = {
        "agents": ["agent.json", "nowhere.json"],
        "persona": {"conversation_initiation": "${PRESENT}", "wait_seconds": "1"},
        "test_set": [
            {"id": "x", "turns": [{"type": "dtmf", "digits": "xx"}, {"type": "text"}, {"type": "dance"}]},
            {"id": "x", "turns": [{"type": "media", "file": "nowhere.png"}]},
        ],
        "load": {"concurrency": 0, "simulations": 3.9, "duration": "soon"},
        "tls": {"ca_file": "nowhere.pem"},
        "recrod": {},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    done = await coval_load("check", "plan.yaml", cwd=tmp_path, env={"PRESENT": "hush-hush-4"})
    assert (done.exit_code, done.out) == (2, "")
    for path in (
        "agents[0].display_name",
        "agents[0].metadata.endpoint",
        "agents[0].metadata.send_sample_rate_hertz",
        "agents[0].metadata.authorization_header",
        "agents[0].metadata.custom_headers.X-Key",
        "agents[0].metadata.custom_headers.X-Other",
        "agents[0].metadata.send_audio_template",
        "agents[0].metadata.bogus",
        "agents[1]",
        "persona.conversation_initiation",
        "persona.wait_seconds",
        "test_set[0].turns[0].digits",
        "test_set[0].turns[1].text",
        "test_set[0].turns[2].type",
        "load.concurrency",
        "load.simulations",
        "load.duration",
        "tls.ca_file",
        "recrod",
    ):
        assert f"fault {path}: " in done.err
    assert "hush-hush" not in done.err
    assert done.err.endswith("nothing was dialled\n")
    assert ESCAPE not in done.err


async def test_check_of_what_is_well(tmp_path):
    plan = chat_plan("wss://agent.example.com/chat", "hello")
    write(tmp_path, "agent.json", plan["agents"][0])
    for arguments in (["agent.json"], [write(tmp_path, "plan.json", plan)]):
        done = await coval_load("check", *arguments, cwd=tmp_path)
        assert (done.exit_code, done.out) == (0, "")
        assert "no faults" in done.err
    done = await coval_load("check", "plan.json", "--json", cwd=tmp_path)
    assert json.loads(done.out)["agents"][0]["metadata"]["coalesce_timeout_seconds"] == 0.5


async def test_dial_prints_the_timeline(tmp_path, chat_agent):
    done = await coval_load("check", chat_agent / "plan.yaml", "--dial", cwd=tmp_path)
    assert done.exit_code == 0, done.both
    steps = (
        "dialling: wss://",
        "connected",
        "sent: {",
        "received: {",
        "ignored a message",
        "the agent said",
        "closing",
        "closed",
    )
    for step in steps:
        assert re.search(rf"^ +[0-9.]+  {step}", done.out, re.MULTILINE), (step, done.out)
    assert "completed: the agent can be tested" in done.out
    assert ESCAPE not in done.both
    assert list(tmp_path.iterdir()) == []


ASTRAY = [
    ({"text_message_type_values": ["reply"]}, "type 'message' at 'type' is not 'reply' (text_message_type_values)"),
    ({"message_type_path": "kind"}, "no type at 'kind' where 'message' is looked for (text_message_type_values)"),
    ({"message_text_path": "body.text"}, "Could not extract message from path 'body.text' in response"),
    (
        {"handshake_ready_message_type": "ready", "handshake_timeout_seconds": 0.5},
        "set handshake_ready_message_type to what the agent sends, or to an empty string to wait for nothing",
    ),
    ({"endpoint": "wss://127.0.0.1:1/chat"}, "check that it runs there"),
]


async def test_dial_tells_what_to_change(tmp_path, chat_agent):
    plan = yaml.safe_load((chat_agent / "plan.yaml").read_text())
    plan |= {"timeouts": {"response": "500ms"}, "tls": {"ca_file": str(chat_agent / "ca.pem")}}
    commands = []
    for number, (wrong, _) in enumerate(ASTRAY):
        body = json.loads((chat_agent / "agent.json").read_text())
        body["metadata"] |= wrong
        commands.append(["check", write(tmp_path, f"{number}.json", {**plan, "agents": [body]}), "--dial"])
    for (_, told), done in zip(ASTRAY, await side_by_side(*commands, cwd=tmp_path), strict=True):
        assert done.exit_code == 3, done.both
        assert "failed in stage" in done.out
        assert done.tells(told), done.out
        message = done.out.partition("failed in stage")[2].splitlines()[1:]
        assert message[0].startswith("  ")
        assert all(len(line) <= 80 for line in message)


async def test_dial_without_trust_in_the_certificate(tmp_path, chat_agent):
    done = await coval_load("check", chat_agent / "agent.json", "--dial", "--allow-private", cwd=tmp_path)
    assert done.exit_code == 3, done.both
    assert "tls_failed" in done.out
    assert "ca_file" in done.out


async def test_dial_as_json(tmp_path, chat_agent):
    options = ["--dial", "--json", "--allow-private", "--ca-file", chat_agent / "ca.pem"]
    done = await coval_load("check", chat_agent / "agent.json", *options, cwd=tmp_path)
    assert done.exit_code == 0, done.both
    assert json.loads(done.out)["outcome"] == "completed"
    assert "dialling" in done.err
