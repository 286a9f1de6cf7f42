"""Run folders with believable numbers, made through the engine's own classes and without any agent.

`python tests/report/made_runs.py DIR --simulations 10000 --bad` makes one to look at.
"""

import argparse
import heapq
import math
import random
import wave
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from coval_load.engine import metrics
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.over_time import over_time
from coval_load.engine.plain_json import dump_json
from coval_load.engine.results import Results
from coval_load.engine.run_folder import create
from coval_load.engine.thresholds import Threshold, judge
from coval_load.engine.timeline import begin_interval
from coval_load.engine.trend_series import Series

STARTED = datetime(2026, 3, 4, 12, tzinfo=UTC)
BAD_FROM_S = 60.0
AGENTS = ("support-eu", "support-us")
PERSONAS = ("patient", "hurried")
TEST_CASES = {
    "order-a-pizza": ("Hi, I'd like to order a pizza please.", "A large one, with mushrooms.", "To go."),
    "refund": ("I want my money back.", "Order 1207.", "It came cold.", "To my card, please."),
    "opening-hours": ("When do you close today?", "And on Sunday?"),
}
REPLIES = ("Of course.", "Let me look that up for you.", "Anything else?", "What size would you like?", "Done!")
HOSTILE = (
    "<script>alert('said by the agent')</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe \u2066\u200e\u200b\ufeff\u2028next\u2029",
    '=HYPERLINK("http://example.invalid";"click") | a | b |\n::error::owned\n`code` [link](javascript:alert(1))',
    "<!-- ]]> &amp; ' \" \\ \\u003c -->{{ 7 * 7 }}{% raw %}",
    "שלום مرحبا 👩‍🍳 \x00\x85\x9b",
    "long " * 10_000,
)


@attrs.define
class MadeRun:
    """Plays simulations over a clock that only exists on paper, and writes what a run writes."""

    folder: Path
    simulations: int = 200
    bad: bool = False
    hostile: bool = False
    voice: bool = False
    transcripts: str = "all"
    recordings: int = 0
    kept: int = 0
    turns: int = 8
    concurrency: int | None = None
    resumed: bool = False
    seed: int = 7
    results: Results = attrs.field(factory=Results, init=False)
    chance: random.Random = attrs.field(init=False)
    due: dict = attrs.field(factory=lambda: defaultdict(list), init=False)
    ended: list = attrs.field(factory=list, init=False)
    begun: list = attrs.field(factory=list, init=False)

    def make(self) -> Path:
        self.chance = random.Random(self.seed)
        folder = create(self.folder, "support line", STARTED)
        folder.begin(self._plan(), 5123.25, run_id="0d9c2f7e4b6a4c1d8e3f5a7b9c1d2e3f")
        lines = sorted(self._rows(), key=lambda row: row["ended_at"])
        self._write_rows(lines)
        until_s = lines[-1]["ended_at"] if lines else 0.0
        series = self._write_timeline(until_s)
        rows = [judge(threshold, self.results, max(until_s, 1e-6)).row() for threshold in _THRESHOLDS]
        summary = self.results.summary() | {"thresholds": rows, "drift": [], "over_time": over_time(series)}
        if self.resumed:
            folder.resume({**folder._run}, STARTED + timedelta(seconds=until_s / 2))
        code = 0 if all(row["passed"] for row in rows) else 99
        folder.finish(summary, STARTED + timedelta(seconds=until_s), code)
        return self.folder

    def _plan(self) -> dict:
        agents = [{"name": name, "display_name": name, "model_type": self._model_type} for name in AGENTS]
        cases = [
            {"id": name, "turns": [{"type": "text", "text": text} for text in said]}
            for name, said in TEST_CASES.items()
        ]
        load = {"shape": "simulations", "concurrency": self._places, "simulations": self.simulations}
        thresholds = {"response_latency": ["p95 < 1s"], "failed": ["rate < 1%"]}
        record = {"transcripts": self.transcripts, "audio": "all" if self.recordings else "none", "timeline": 10.0}
        plan = {"name": "support line", "agents": agents, "personas": [{"name": name} for name in PERSONAS]}
        plan |= {"test_set": cases, "load": load, "record": record, "thresholds": thresholds, "seed": self.seed}
        return plan

    @property
    def _model_type(self) -> str:
        return "MODEL_TYPE_WEBSOCKET" if self.voice else "MODEL_TYPE_CHAT_WEBSOCKET"

    @property
    def _places(self) -> int:
        return self.concurrency or max(2, self.simulations // 20)

    def _rows(self) -> Iterator[dict]:
        free = [index * 0.02 for index in range(self._places)]
        for number in range(self.simulations):
            begins_s = heapq.heappop(free)
            row = self._simulation(number, begins_s)
            heapq.heappush(free, row["ended_at"] + 0.001)
            yield row
            if self.resumed and number % 50 == 7:
                yield self._cut_off(row)

    def _cut_off(self, row: dict) -> dict:
        """What the run's earlier part left of the simulation."""
        early = row["started_at"] + (row["ended_at"] - row["started_at"]) / 2
        gone = {"outcome": "cancelled", "error": None, "transcript": [], "events": [], "ended_at": early}
        return row | gone | {"simulation_output_id": row["simulation_output_id"] + "-cut-off", "recording": None}

    def _simulation(self, number: int, begins_s: float) -> dict:
        names = list(TEST_CASES)
        case = names[number % len(names)]
        if self.hostile and number % 11 == 3:
            case = '<b>case</b>\x1b[1m"=1+1'
        labels = Labels("day", AGENTS[number % 2], case, PERSONAS[number // 2 % 2])
        account = self.results.account(labels)
        playing = Conversation(self, number, begins_s, labels, TEST_CASES.get(case, TEST_CASES["refund"]))
        row = playing.play()
        for at, name, value in playing.measured:
            self.due[int(at // 10)].append((account, name, value))
        ends = int(row["ended_at"] // 10)
        self.due[int(begins_s // 10)].append((account, metrics.STARTED, None))
        self.due[ends].append((account, Outcome(row["outcome"], playing.failure), row.get("checks", [])))
        self.begun.append(begins_s)
        self.ended.append(row["ended_at"])
        return row

    def _write_rows(self, rows: list[dict]) -> None:
        folder = self.folder / "conversations"
        with (self.folder / "simulations.jsonl").open("wb") as file:
            for index, row in enumerate(rows):
                if index < self.recordings:
                    row["recording"] = self._recording(row)
                if index < self.kept:
                    folder.mkdir(exist_ok=True)
                    kept = row | {"kept_for": ["failed" if row["error"] else "sample"]}
                    (folder / f"{row['simulation_output_id']}.json").write_bytes(dump_json(kept))
                silent = {} if self.transcripts == "all" else {"transcript": [], "events": []}
                file.write(dump_json(row | silent) + b"\n")

    def _recording(self, row: dict) -> dict:
        name = f"recordings/{row['simulation_output_id']}.wav"
        (self.folder / "recordings").mkdir(exist_ok=True)
        seconds = row["ended_at"] - row["started_at"]
        with wave.open(str(self.folder / name), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(_tones(row, round(seconds * 16_000)))
        return {"file": name, "start": row["started_at"]}

    def _write_timeline(self, until_s: float) -> Series:
        series, end_interval, running = Series(), begin_interval(self.results, 0.0), 0
        begun, ended = sorted(self.begun), sorted(self.ended)
        with (self.folder / "timeline.jsonl").open("wb") as file:
            for index in range(math.ceil(until_s / 10)):
                at = min((index + 1) * 10.0, until_s)
                self._happen(index, at - index * 10.0)
                running = sum(one < at for one in begun) - sum(one <= at for one in ended)
                row = end_interval(at, (running, 0))
                self.results.lapses.add(row)
                series.add(row)
                file.write(dump_json(row) + b"\n")
        return series

    def _happen(self, index: int, seconds: float) -> None:
        for account, what, value in self.due.pop(index, ()):
            if isinstance(what, Outcome):
                self.results.finished(what, account)
                for check in value:
                    account.count(metrics.CHECKS_PASSED if check["passed"] else metrics.CHECKS_FAILED)
                    self.results.checks.add("refund", check["name"], check["passed"], check.get("message"))
            elif value is None:
                account.count(metrics.OFFERED)
                account.count(what)
            else:
                account.record(what, value)
                if what == metrics.RESPONSE_LATENCY:
                    account.count(metrics.TURNS)
        self._live(index, seconds)

    def _live(self, index: int, seconds: float) -> None:
        """How the generator fared."""
        many = max(1, int(seconds * 10))
        lag = [self.chance.expovariate(1 / 0.0008) for _ in range(many)]
        self.results.record_many(metrics.LOOP_LAG, lag)
        if self.voice:
            self.results.record_many(metrics.SEND_LATENESS, lag * 5)
        vitals, share = self.results.vitals, 0.2 + 0.05 * self.chance.random()
        vitals.watched_s += seconds
        vitals.cpu_s += share * seconds
        vitals.cpu_wait_s = (vitals.cpu_wait_s or 0.0) + 0.004 * seconds
        vitals.busiest_cpu_share = max(vitals.busiest_cpu_share, share + 0.05)
        vitals.gc_s += 0.001 * seconds
        vitals.rss_bytes = 118_000_000 + 20_000 * index
        vitals.max_rss_bytes = vitals.rss_bytes
        vitals.descriptors = vitals.descriptors.or_worse(self._places + 24, 65_536)
        vitals.ports = vitals.ports.or_worse(self._places, 28_232)


@attrs.define
class Conversation:
    """One simulation on paper; `measured` has times, metrics and values."""

    run: MadeRun
    number: int
    begins_s: float
    labels: Labels
    says: tuple[str, ...]
    failure: Failure | None = attrs.field(default=None, init=False)
    measured: list = attrs.field(factory=list, init=False)
    transcript: list = attrs.field(factory=list, init=False)
    events: list = attrs.field(factory=list, init=False)

    def play(self) -> dict:
        chance = self.run.chance
        connect_s, at = 0.004 + chance.expovariate(500), self.begins_s
        once = {"queue_time": 0.0, "connect_time": connect_s, "scheduled_connect_time": connect_s}
        once["handshake_time"] = chance.expovariate(1000)
        at += connect_s + once["handshake_time"]
        own = chance.lognormvariate(0, 0.15)
        fails_in = self._fails_in()
        for turn in range(1, self.run.turns + 1):
            at = self._turn(turn, at, own, turn == fails_in)
            if self.failure:
                break
        else:
            once |= dict.fromkeys(("simulation_time", "scheduled_simulation_time"), at - self.begins_s)
        for name, value in once.items():
            self.measured.append((at if "simulation" in name else self.begins_s, name, value))
        return self._row(once, at)

    def _fails_in(self) -> int:
        if self._is_bad and self.labels.test_case == "refund" and self.run.chance.random() < 0.9:
            return self.run.chance.randint(1, min(3, self.run.turns))
        return self.run.chance.randint(1, self.run.turns) if self.run.chance.random() < 0.004 else 0

    @property
    def _is_bad(self) -> bool:
        return self.run.bad and self.labels.agent == AGENTS[0] and self.begins_s >= BAD_FROM_S

    def _turn(self, turn: int, at: float, own: float, fails: bool) -> float:
        chance, voice = self.run.chance, self.run.voice
        said_s = 1.2 + chance.random() if voice else 0.0
        said = self.says[(turn - 1) % len(self.says)]
        self.transcript.append({"role": "user", "content": said, "start": at, "end": at + said_s})
        if fails:
            return self._fail(turn, at + said_s)
        slow = 2.0 if self.run.bad and at >= BAD_FROM_S else 1.0
        latency = 0.38 * own * slow * chance.lognormvariate(0, 0.3)
        spoken_s = 1.5 + 2 * chance.random() if voice else 0.3 + 0.4 * chance.random()
        begins = at + said_s + latency
        ends = begins + spoken_s
        took = {"response_latency": latency, "scheduled_response_latency": latency}
        if not voice:
            took |= {"response_time": latency + spoken_s, "scheduled_response_time": latency + spoken_s}
        took |= {"turn_time": ends - at, "scheduled_turn_time": ends - at}
        self.measured += [(begins, name, value) for name, value in took.items()]
        reply = self._reply(turn)
        told = {"role": "assistant", "content": reply, "start": begins, "end": ends, "messages": 1, "metrics": took}
        self._use_tools(turn, begins)
        self.transcript.append(told)
        if voice and self.number % 2:
            self._as_realtime(turn, told, took)
        return ends + 0.5

    def _as_realtime(self, turn: int, told: dict, took: dict) -> None:
        """What an agent says beside its sound: half of the conversations are with such a one."""
        parts = {"endpointing_time": 0.7 * took["response_latency"], "first_audio_time": 0.2 * took["response_latency"]}
        self.measured += [(told["start"], name, value) for name, value in parts.items()]
        took |= parts
        said = self.transcript[-2] if self.transcript[-2]["role"] == "user" else {"content": None}
        odd = HOSTILE[self.number % len(HOSTILE)] if self.run.hostile else "Could I have a visa?"
        said["transcribed"] = odd if turn == 1 else f"{said['content']}!".upper()
        told["usage"] = {"input_tokens": 214, "output_tokens": 61, "input_audio_tokens": 96, "output_audio_tokens": 48}
        if turn == 3:
            self.transcript.append(told | {"content": odd, "start": told["end"], "type": "text", "metrics": {}})
            told["ended"] = f"incomplete: {odd[:200]}"

    def _reply(self, turn: int) -> str:
        if self.run.hostile and self.run.chance.random() < 0.3:
            return HOSTILE[(self.number + turn) % len(HOSTILE)]
        chance = self.run.chance
        return f"{chance.choice(REPLIES)} {chance.choice(REPLIES)} Your ticket is {chance.randrange(100_000, 999_999)}."

    def _use_tools(self, turn: int, at: float) -> None:
        if turn != 2 or self.number % 3 != 1:
            return
        tool = {"id": f"call_{turn}", "name": "lookup_order", "arguments": '{"number": "1207"}'}
        call = {"role": "assistant", "content": None, "start": at, "end": at, "type": "tool_call", "tool": tool}
        told = {"role": "tool", "content": '{"status":"shipped"}', "start": at, "end": at, "type": "tool_result"}
        self.transcript += [call, told | {"tool": {"id": tool["id"], "name": tool["name"]}}]
        payload = {"items": turn, "note": HOSTILE[self.number % len(HOSTILE)] if self.run.hostile else "ok"}
        self.events.append({"at": at, "message_type": "cart_update", "event": None, "payload": payload})

    def _fail(self, turn: int, at: float) -> float:
        if self._is_bad:
            self.failure = _failed(ErrorKind.NO_RESPONSE, "No response received within 30 s", turn)
            return at + 30.0
        said = f" ({HOSTILE[self.number % len(HOSTILE)]})" if self.run.hostile else ""
        message = f"expected the conversation to go on; the agent closed the connection with code 1011{said}"
        self.failure = _failed(ErrorKind.CONNECTION_CLOSED, message, turn)
        return at + 0.2

    def _row(self, once: dict, ended_s: float) -> dict:
        chance, labels = self.run.chance, self.labels
        row = {
            "simulation_output_id": f"{chance.getrandbits(128):032x}",
            "agent": labels.agent,
            "model_type": self.run._model_type,
            "test_case": labels.test_case,
            "persona": labels.persona,
            "scenario": labels.scenario,
            "number": self.number,
            "worker": 0,
            "recording": None,
            "close_code": 1011 if self.failure else 1000,
            "metrics": once,
            "transcript": self.transcript,
            "events": self.events,
            "scheduled_at": self.begins_s,
            "started_at": self.begins_s,
            "ended_at": ended_s,
            "outcome": "failed" if self.failure else "completed",
            "error": self.failure.row() if self.failure else None,
        }
        if labels.test_case == "refund" and self.failure is None:
            row["checks"] = [self._check()]
        return row

    def _check(self) -> dict:
        if self.run.chance.random() > 0.02:
            return {"name": 'contains "ticket"', "passed": True}
        why = HOSTILE[self.number % len(HOSTILE)] if self.run.hostile else "Done!"
        return {"name": 'contains "ticket"', "passed": False, "message": f'expected "ticket"; got {why!r}'[:500]}


_THRESHOLDS = (
    Threshold(metrics.RESPONSE_LATENCY, Selector(), None, "p95", "<", 1.0, "p95 < 1s"),
    Threshold(metrics.FAILED, Selector(), None, "rate", "<", 0.01, "rate < 1%"),
)


def _failed(kind: ErrorKind, message: str, turn: int) -> Failure:
    return Failure(kind, Stage.CONVERSATION, message, turn)


def _tones(row: dict, samples: int) -> bytes:
    """Caller left, agent right: a tone wherever one of them spoke."""
    import numpy as np

    sides = np.zeros((samples, 2), dtype=np.int16)
    for turn in row["transcript"]:
        first, last = (round((turn[name] - row["started_at"]) * 16_000) for name in ("start", "end"))
        times = np.arange(max(0, min(last, samples) - first)) / 16_000
        side, pitch_hz = (0, 220) if turn["role"] == "user" else (1, 330)
        sides[first : first + len(times), side] = 8000 * np.sin(2 * np.pi * pitch_hz * times)
    return sides.tobytes()


def make_run(folder: Path, **options) -> Path:
    """A run that is over, in `folder`, which must have none yet; see the fields of `MadeRun` for `options`.

    `bad`: from 60 s on `support-eu` gives no response to most who ask for a `refund`, and every latency doubles.
    `hostile`: what the agent says, and names and messages, try to act wherever they are shown.
    """
    return MadeRun(Path(folder), **options).make()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("bad", "hostile", "voice", "resumed"):
        parser.add_argument(f"--{name}", action="store_true")
    for name, default in (("simulations", 200), ("recordings", 0), ("kept", 0), ("turns", 8), ("seed", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--transcripts", choices=("all", "none"), default="all")
    print(make_run(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
