"""All findings of a run, put in order, and the answer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coval_load.engine.outcome import ErrorKind
from coval_load.report.diagnosis.answer import answer
from coval_load.report.diagnosis.blame import Blame
from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.course import Interval, intervals, whole
from coval_load.report.diagnosis.errors import check_finding, error_findings
from coval_load.report.diagnosis.finding import Diagnosis, Finding
from coval_load.report.diagnosis.generator import generator_findings
from coval_load.report.diagnosis.good_news import good_news
from coval_load.report.diagnosis.latency import latency_finding, samples
from coval_load.report.diagnosis.plan_kept import plan_findings, run_findings
from coval_load.report.diagnosis.reading import mapping, seconds
from coval_load.report.diagnosis.replies import reply_findings
from coval_load.report.diagnosis.slow_labels import slow_labels
from coval_load.report.diagnosis.thresholds import threshold_findings

_SEVERITIES = ("bad", "warning", "good")
_MOST_NEAR_END_S = 1.0
_WAITS = {
    str(ErrorKind.NO_RESPONSE): "response",
    str(ErrorKind.CONNECT_TIMEOUT): "connect",
    str(ErrorKind.SIMULATION_TIMEOUT): "simulation",
}
"""Which of the plan's timeouts makes an error of a kind."""


def diagnose(
    summary: Mapping[str, Any], run: Mapping[str, Any], census: Census, timeline: Iterable[Mapping[str, Any]]
) -> Diagnosis:
    """What went wrong in a run, and whose it was.

    `summary` and `run` are what `summary.json` and `run.json` hold, those of earlier releases too, `census` has seen
    the rows of `simulations.jsonl`, and `timeline` are those of `timeline.jsonl`, none in a very short run. What is
    missing or odd is left out; nothing is raised. It takes up to two seconds, mostly for loading scipy: call it when no
    simulation runs.
    """
    course = intervals(timeline)
    blame = Blame(_watched(summary, census, course), _waits_s(run))
    latencies = samples(census, course)
    changed = latency_finding(latencies, blame)
    about_latency = [*([changed.finding] if changed else []), *slow_labels(census)]
    checks = check_finding(census, summary, run, blame)
    errors = list(error_findings(census, run, blame))
    others = [*generator_findings(summary, course), *plan_findings(summary), *run_findings(summary, run)]
    replies = list(reply_findings(summary, census))
    explained = [*errors, *others, *about_latency, *([checks] if checks else []), *replies]
    crossed = list(threshold_findings(summary, explained, checks, about_latency))
    found = _in_order([*explained, *crossed])
    found += good_news(summary, census, latencies, about_latency)
    return Diagnosis(answer(found, changed, census, blame), tuple(found))


def _waits_s(run: Mapping[str, Any]) -> dict[str, float]:
    timeouts = mapping(mapping(run.get("plan")).get("timeouts"))
    found = {kind: seconds(timeouts.get(name)) for kind, name in _WAITS.items()}
    return {kind: value for kind, value in found.items() if value is not None}


def _watched(summary: Mapping[str, Any], census: Census, course: Sequence[Interval]) -> Sequence[Interval]:
    if any(one.is_watched for one in course):
        return course
    run = whole(summary, census.last_s + _MOST_NEAR_END_S)
    return [run] if run.is_watched else []


def _in_order(found: Sequence[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: _SEVERITIES.index(one.severity))
