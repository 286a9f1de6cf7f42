"""The generator's own figures on the screen, with a word where one comes close to what makes a run doubtful."""

from collections.abc import Iterator

from rich.text import Text

from coval_load.engine import verdict
from coval_load.report.paint import printable
from coval_load.report.terminal.history import sparkline
from coval_load.report.terminal.snapshot import Quantiles, Snapshot
from coval_load.report.units import duration
from coval_load.report.visible import visible

_COLOURS = {"valid": "green", "degraded": "yellow", "invalid": "red"}
_MB = 1024 * 1024


def generator(snapshot: Snapshot, width: int) -> Iterator[Text]:
    """Up to three lines: what is to be thought of it so far and why; how late it was; its CPU and memory."""
    now = snapshot.generator
    colour = _COLOURS.get(now.verdict, "yellow")
    reason = f": {printable(visible(now.reason))}" if now.reason else ""
    yield Text.assemble((" generator  ", "bold"), (f"{now.verdict} so far", colour), (reason, "bright_black"))
    late = [
        *_late("frames", now.late_now, now.late_run, verdict.SEND_LATENESS_DEGRADED_S),
        *_late("loop", now.lag_now, now.lag_run, verdict.LOOP_LAG_DEGRADED_S),
    ]
    if late:
        yield Text.assemble("   late, p99", *late)
    if now.cpu_share is not None:
        yield _cpu(snapshot, now.cpu_share, width)


def _late(what: str, lately: Quantiles, run: Quantiles, border_s: float) -> Iterator[str | tuple[str, str]]:
    if run.p99 is None:
        return
    yield f"   {what} "
    yield duration(lately.p99), _weight(lately.p99, border_s)
    yield " (in all "
    yield duration(run.p99), _weight(run.p99, border_s)
    yield ")"


def _weight(p99_s: float | None, border_s: float) -> str:
    """Half of what makes a run degraded is close to it."""
    if p99_s is None:
        return ""
    return "bold red" if p99_s > border_s else "yellow" if p99_s > border_s / 2 else ""


def _cpu(snapshot: Snapshot, share: float, width: int) -> Text:
    now = snapshot.generator
    words, style = _how_busy(share, now.cpu_wait_share or 0.0)
    memory = "" if now.rss_bytes is None else f"  memory {now.rss_bytes / _MB:,.0f} MB"
    drawn = sparkline(snapshot.courses.get("cpu", ()), min(max(width - 60, 0), 48))
    return Text.assemble(
        "   CPU ", (f"{share:.0%} of a core", style or "bold"), (words, style), f"{memory}  ", (drawn, "cyan")
    )


def _how_busy(share: float, waited: float) -> tuple[str, str]:
    if share > verdict.CPU_SHARE_DEGRADED:
        return ", at its limit: fewer at once", "bold red"
    if waited > verdict.CPU_WAIT_DEGRADED:
        return f", others have the CPU for {waited:.0%}", "yellow"
    if share > verdict.CPU_SHARE_BUSY:
        return ", close to its limit", "yellow"
    return "", ""
