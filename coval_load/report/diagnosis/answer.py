"""One sentence that says whose it was."""

from collections.abc import Sequence

from coval_load.engine import metrics
from coval_load.report.diagnosis.blame import Blame
from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.finding import Finding
from coval_load.report.diagnosis.latency import Changed
from coval_load.report.units import many


def answer(found: Sequence[Finding], latency: Changed | None, census: Census, blame: Blame) -> str:
    """`found` has the most important first, `latency` is the one of it about a latency that changed."""
    wrong = [one for one in found if one.severity == "bad"] or [one for one in found if one.severity == "warning"]
    if not wrong:
        return _nothing(census)
    of_agent = [one for one in wrong if one.about == "agent"]
    of_generator = [one for one in found if one.about == "generator" and one.severity != "good"]
    told = wrong[0].title
    if of_agent and of_generator and any(_is_shared(one, latency, blame) for one in of_agent):
        return f"Both the agent and the generator: {of_agent[0].title}; {of_generator[0].title}"
    if wrong[0].about == "run" and len(wrong) > 1:
        told = f"{told}; {wrong[1].title}"
    return f"{_whose(wrong[0])}: {told}"


def _whose(first: Finding) -> str:
    if first.about == "agent":
        return "It was the agent" if first.severity == "bad" else "Little went wrong"
    return {"generator": "It was the load generator", "plan": "The plan", "run": "The run"}[first.about]


def _is_shared(one: Finding, latency: Changed | None, blame: Blame) -> bool:
    if latency is not None and one is latency.finding:
        return latency.whose in ("both", "unknown")
    if one.kind is None:
        return False
    return blame.whose_error(one.kind, one.from_s, one.until_s) in ("both", "unknown")


def _nothing(census: Census) -> str:
    completed = census.outcomes[metrics.COMPLETED]
    if completed:
        return f"Nothing went wrong: {many(completed, 'conversation')} completed"
    return "Nothing went wrong, and nothing was tried: no conversation completed or failed"
