"""What the screen shows: from a snapshot to the lines of a terminal. Pure."""

from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from coval_load.engine import metrics
from coval_load.report.paint import printable
from coval_load.report.terminal.fitting import Part, fit
from coval_load.report.terminal.generator import generator
from coval_load.report.terminal.history import sparkline
from coval_load.report.terminal.snapshot import Quantiles, Snapshot
from coval_load.report.terminal.stages import OVER
from coval_load.report.units import clock, duration, many
from coval_load.report.visible import visible

LEAST_COLUMNS, LEAST_LINES = 60, 12
"""What a screen takes at least; below, one line says how the run goes."""

_LABEL = 10
_NUMBER = 9
_STAGES = {
    "queue": "about to begin",
    "setup": "setting up",
    "connect": "connecting",
    "handshake": "in handshake",
    "conversation": "in conversation",
    "close": "closing",
}
_COLOURS = {"crossed": "red", "holds": "green"}
_OF_SEVERAL = {
    "holds": "held so far",
    "not yet": "not reached yet",
    "no value yet": "without a value yet",
    "at the end": "judged at the end",
}


def lines_of(snapshot: Snapshot, columns: int, lines: int) -> list[Text]:
    """At most so many lines, none wider than so many columns."""
    width = columns - 1  # some terminals wrap what ends in the last column, and are never told not to
    if width < 1:
        return []
    parts = (
        Part([_headline(snapshot, width)], rank=0),
        Part(list(_scenarios(snapshot, width)), rank=4, fair=2, things="scenarios"),
        Part(list(_simulations(snapshot, width)), rank=1, least=3, fair=4),
        Part(list(_latencies(snapshot, width)), rank=2, least=3, fair=4),
        Part(list(generator(snapshot, width)), rank=5, fair=3),
        Part(list(_errors(snapshot)), rank=3, least=2, fair=3, things="kinds of errors", heads=1),
        Part([_waiting(snapshot)], rank=7),
        Part(list(_thresholds(snapshot)), rank=6, fair=2, things="thresholds", heads=1),
        Part(list(_footer(snapshot)), rank=1, fair=3),
    )
    shown = fit(parts, lines)
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return shown


def plain(text: str) -> str:
    """What an agent or a plan says, in one line, with nothing in it that acts on a terminal."""
    return printable(visible(text))


def _headline(snapshot: Snapshot, width: int) -> Text:
    elapsed = clock(max(snapshot.elapsed_s, 0.0))
    ends_s = snapshot.duration_s
    if ends_s is not None:
        elapsed += f", {OVER}" if snapshot.elapsed_s > ends_s else f" of {clock(ends_s)}"
    ended = snapshot.counts.get(metrics.COMPLETED, 0) + snapshot.counts.get(metrics.FAILED, 0)
    if snapshot.total:
        elapsed += f", {ended:,} of {many(snapshot.total, 'simulation')}"
    name = Text(plain(snapshot.name), "bold cyan")
    name.truncate(max(width - len(elapsed) - 30, 12), overflow="ellipsis")
    share = _share(snapshot, ended)
    line = Text.assemble(" ", name, "  ", elapsed)
    return (
        line if share is None else Text.assemble(line, "  ", _bar(share, width - line.cell_len - 8), f" {share:4.0%}")
    )


def _share(snapshot: Snapshot, ended: int) -> float | None:
    shares = []
    if snapshot.duration_s:
        shares.append(snapshot.elapsed_s / snapshot.duration_s)
    if snapshot.total:
        shares.append(ended / snapshot.total)
    return min(max(*shares, 0.0), 1.0) if shares else None


def _bar(share: float, width: int) -> Text:
    width = min(max(width, 0), 60)
    filled = round(width * share)
    return Text.assemble(("━" * filled, "cyan"), ("─" * (width - filled), "bright_black"))


def _scenarios(snapshot: Snapshot, width: int) -> Iterator[Text]:
    for scenario in snapshot.scenarios:
        name = Text(plain(scenario.name), "bold")
        name.truncate(16, overflow="ellipsis", pad=True)
        words, share = Text(scenario.standing.words), scenario.standing.share
        words.truncate(max(min(width - 26, 56), 0), overflow="ellipsis", pad=True)
        line = Text.assemble("   ", name, " ", words)
        room = width - line.cell_len - 6
        bar = _bar(share or 0.0, min(room - 1, 20)) if share is not None and room > 8 else Text()
        yield line if share is None else Text.assemble(line, " ", bar, f" {share:4.0%}")


def _simulations(snapshot: Snapshot, width: int) -> Iterator[Text]:
    counts = snapshot.counts
    room = min(max((width - 24) * 2 // 5, 8), 40)

    def row(label: str, number: int, course: str | None, told: str, style: str = "") -> Text:
        drawn = sparkline(snapshot.courses.get(course, ()), room) if course else ""
        return Text.assemble(
            f"   {label:{_LABEL}}",
            (f"{number:>{_NUMBER},}", style or "bold"),
            "  ",
            (drawn.ljust(room), "cyan"),
            "  ",
            told,
        )

    yield _title(
        "simulations", f"{'since the start':>{_LABEL + _NUMBER + 7}}" if snapshot.courses.get("running") else ""
    )
    yield row("running", snapshot.running, "running", _places(snapshot))
    ended = counts.get(metrics.COMPLETED, 0) + counts.get(metrics.FAILED, 0)
    failed = counts.get(metrics.FAILED, 0)
    per_s = snapshot.completed_per_s
    yield row(
        "completed", ended - failed, metrics.COMPLETED, "" if per_s is None else f"{_number(per_s)} a second lately"
    )
    share = f"{failed / ended:.1%} of those that ended" if failed else ""
    yield row("failed", failed, metrics.FAILED, share, "bold red" if failed else "")
    if snapshot.queued or any(snapshot.courses.get("queued", ())):
        yield row("queued", snapshot.queued, "queued", "wait for a place")
    for label, what in (
        (metrics.DROPPED, "were due and found no place"),
        (metrics.CANCELLED, "cut off, or never begun"),
    ):
        if counts.get(label):
            yield row(label, counts[label], None, what, "bold yellow")


def _places(snapshot: Snapshot) -> str:
    known = [(stage, snapshot.stages.get(stage, 0)) for stage in _STAGES]
    return ", ".join(f"{count:,} {_STAGES[stage]}" for stage, count in known if count)


def _latencies(snapshot: Snapshot, width: int) -> Iterator[Text]:
    if not snapshot.latencies:
        return
    heads = ("p50", "p95", "p99", "max", "count")
    columns = max(min((width - 30) // _NUMBER, len(heads)), 1)
    yield _title("latency", f"{'':20}" + "".join(f"{head:>{_NUMBER}}" for head in heads[:columns]))
    name, whole = snapshot.latencies[0]
    if name == metrics.RESPONSE_LATENCY and snapshot.latency_now.count:
        yield _quantiles(f"{name}, lately", snapshot.latency_now, columns, "bold")
    for name, whole in snapshot.latencies:
        yield _quantiles(name, whole, columns)


def _quantiles(label: str, values: Quantiles, columns: int, style: str = "") -> Text:
    cells = [duration(value) for value in (values.p50, values.p95, values.p99, values.highest)]
    cells.append(f"{values.count:,}")
    return Text.assemble(f"   {label:25}", ("".join(f"{cell:>{_NUMBER}}" for cell in cells[:columns]), style))


def _errors(snapshot: Snapshot) -> Iterator[Text]:
    if not snapshot.errors:
        yield _title("errors", "  none")
        return
    count = sum(error.count for error in snapshot.errors)
    yield _title("errors", f"  {count:,} of {many(len(snapshot.errors), 'kind')}, with the latest message of each")
    for error in snapshot.errors:
        yield Text.assemble(
            (f"{error.count:>{_NUMBER},}", "bold red" if error.is_new else "red"),
            f"  {plain(error.kind):18}  ",
            (plain(error.message), "bright_black"),
        )


def _waiting(snapshot: Snapshot) -> Text:
    waiting = snapshot.waiting
    if waiting is None:
        return _title("longest wait", "  nobody waits for an agent")
    return Text.assemble(
        _title("longest wait", "  "),
        (duration(waiting.seconds), "bold"),
        f" for an answer to turn {waiting.turn} of {plain(waiting.test_case)}, agent {plain(waiting.agent)}, ",
        (plain(waiting.simulation_output_id), "bright_black"),
    )


def _thresholds(snapshot: Snapshot) -> Iterator[Text]:
    if not snapshot.thresholds:
        return
    words = Counter(threshold.word for threshold in snapshot.thresholds)
    crossed = words.pop("crossed", 0)
    others = "".join(f", {count:,} {_OF_SEVERAL[word]}" for word, count in words.items())
    yield Text.assemble(
        _title("thresholds", "  "), (f"{crossed:,} crossed", "bold red" if crossed else "green"), others
    )
    for threshold in snapshot.thresholds:
        aborts = " (stops the run)" if threshold.aborts else ""
        yield Text.assemble(
            "   ",
            (f"{threshold.word:13}", _COLOURS.get(threshold.word, "bright_black")),
            plain(f"{threshold.key}: {threshold.text}"),
            (f"{aborts}  {plain(threshold.reason)}", "bright_black"),
        )


def _footer(snapshot: Snapshot) -> Iterator[Text]:
    stop = "Ctrl-C: no new ones, the running ones finish; twice: cut off at once"
    yield Text(f" {plain(snapshot.said)}", "yellow") if snapshot.said else Text(f" {stop}", "bright_black")
    if snapshot.dashboard:
        yield Text.assemble((" dashboard ", "bright_black"), plain(snapshot.dashboard))
    if snapshot.folder:
        yield Text.assemble((" results in ", "bright_black"), plain(snapshot.folder))


def _title(word: str, rest: str) -> Text:
    return Text.assemble((f" {word}", "bold"), (rest, "bright_black"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
