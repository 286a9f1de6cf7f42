"""One run, and everything that tells of it: the same numbers everywhere, each in the digits that it shows."""

import html.parser
import json
import re
from xml.etree import ElementTree

import attrs
import pytest
from click.testing import CliRunner
from collectors import points_of, value_of
from prometheus_client.parser import text_string_to_metric_families
from threaded_agent import threaded_agent

from coval_load.cli.main import cli
from coval_load.report.exports.measurements import measurements
from coval_load.report.exports.otlp import metrics_data
from coval_load.report.exports.prometheus import scrape
from coval_load.report.recovery import recover
from coval_load.report.units import duration

LATENCY = "response_latency"
PERCENTILES = ("p50", "p95", "p99")
NEAR = 1e-3
"""Histograms have three digits."""


@attrs.frozen
class Told:
    """What one of them tells; latencies are texts or seconds, by the names of `summary.json`."""

    completed: int
    failed: int
    errors: dict
    latency: dict


@attrs.frozen
class Run:
    """The folder of the run, what was written beside it, and what was printed."""

    folder: object
    beside: object
    printed: str
    json: str

    @property
    def summary(self):
        return json.loads((self.folder / "summary.json").read_text())

    def measured(self):
        return measurements(recover(self.folder, anew=True).results, running=0, queued=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("numbers")
    folder = cwd / "run"
    with threaded_agent(delay_s=0.02, fails=frozenset({5, 6, 17})) as agent:
        plan = agent.plan(cwd, load={"concurrency": 4, "simulations": 60}, limits={"per_agent": 4})
        files = ("--junit", str(cwd / "junit.xml"), "--hgrm", str(cwd / "hgrm"))
        github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(cwd / "page.md")}
        ran = CliRunner().invoke(cli, ["run", str(plan), "--out", str(folder), "--json", *files], env=github)
    assert ran.exit_code == 0, ran.output
    reported = CliRunner().invoke(cli, ["report", str(folder), "--no-html"])
    assert reported.exit_code == 0, reported.output
    return Run(folder, cwd, reported.stdout, ran.stdout[: ran.stdout.rindex("\n}\n") + 2])


def of_summary(summary):
    counts, latency = summary["counts"], summary["metrics"][LATENCY]
    shown = {name: latency[name] for name in (*PERCENTILES, "max")}
    return Told(counts["completed"], counts["failed"], dict(summary["errors"]), shown)


def of_terminal(run):
    completed, failed = re.search(
        r"^([\d,]+) simulations? completed, ([\d,]+) failed$", run.printed, re.MULTILINE
    ).groups()
    row = re.search(rf"^{LATENCY} .*$", run.printed, re.MULTILINE)[0]
    _, _, *cells = re.split(r"\s{2,}", row)
    kinds = re.findall(r"^ {2,}([\d,]+) ([a-z_]+)$", run.printed, re.MULTILINE)
    errors = {kind: int(amount) for amount, kind in kinds}
    return Told(int(completed), int(failed), errors, dict(zip((*PERCENTILES, "max"), cells, strict=True)))


class Tables(html.parser.HTMLParser):
    """Rows of tables as (text, title) of each cell by the id of their section, and pairs of term and text."""

    def __init__(self):
        super().__init__()
        self.section, self.rows, self.pairs, self.words = None, {}, {}, None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "section":
            self.section = given.get("id")
        elif tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        elif tag in ("td", "th", "dt", "dd"):
            self.words, self.title = [], given.get("title")

    def handle_data(self, data):
        if self.words is not None:
            self.words.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self.section in self.rows:
            self.rows[self.section][-1].append(("".join(self.words).strip(), self.title))
        elif tag == "dt":
            self.term = "".join(self.words)
        elif tag == "dd":
            self.pairs.setdefault(self.term, "".join(self.words))
        if tag in ("td", "th", "dt", "dd"):
            self.words = None


def of_page(run):
    tables = Tables()
    tables.feed((run.folder / "report.html").read_text())
    heads, *rows = tables.rows["metrics"]
    row = next(row for row in rows if row[0][0].startswith(LATENCY))
    named = dict(zip((head for head, _ in heads), row, strict=True))
    exact = {name: float(named[name][1].removesuffix(" s")) for name in (*PERCENTILES, "max")}
    errors = {row[0][0]: int(row[1][0]) for row in tables.rows["errors"][1:]}
    completed, failed = (int(tables.pairs[name].split()[0].replace(",", "")) for name in ("completed", "failed"))
    return Told(completed, failed, errors, exact)


def of_prometheus(run):
    body, _ = scrape(run.measured)
    samples = {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(body.decode())
        for one in family.samples
    }
    return of_samples(
        lambda name, labels: samples[name, labels],
        {
            dict(labels)["error_type"]: value
            for (name, labels), value in samples.items()
            if name == "coval_load_errors_total"
        },
        ("coval_load_simulations_total", "coval_load_percentile_seconds"),
    )


def of_otlp(run):
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    points = points_of(encode_metrics(metrics_data(run.measured(), {}, 0, 1)))
    return of_samples(
        lambda name, labels: value_of(points[name, labels]),
        {
            dict(labels)["error.type"]: value_of(one)
            for (name, labels), one in points.items()
            if name == "coval_load.errors"
        },
        ("coval_load.simulations", "coval_load.percentile"),
    )


def of_samples(value, errors, names):
    counted, measured = names
    completed, failed = (value(counted, (("status", status),)) for status in ("completed", "failed"))
    latency = {
        name: value(measured, (("metric", LATENCY), ("quantile", f"{int(name[1:]) / 100:g}"))) for name in PERCENTILES
    }
    return Told(completed, failed, errors, latency)


def of_junit(run):
    root = ElementTree.parse(run.beside / "junit.xml").getroot()
    given = {one.get("name"): one.get("value") for one in root.iter("property")}
    latency = {name: float(given[f"metrics.{LATENCY}.{name}"]) for name in PERCENTILES}
    (failure,) = root.findall(".//testsuite[@name='test cases']//failure")
    errors = {kind: int(amount) for kind, amount in re.findall(r"([a-z_]+) ([\d,]+)(?:,|$)", failure.get("message"))}
    return Told(int(given["counts.completed"]), int(given["counts.failed"]), errors, latency)


def of_github(run):
    page = (run.beside / "page.md").read_text()
    completed, failed = re.search(r"<strong>([\d,]+) simulations? completed, ([\d,]+) failed", page).groups()
    row = re.search(rf"<tr><td><code>{LATENCY}</code></td>(.*)</tr>", page)[1]
    _, *cells = re.findall(r"<td>(.*?)</td>", row)
    errors = dict(re.findall(r"<tr><td>([\d,]+)</td><td><code>([a-z_]+)</code></td><td><code>expected", page))
    latency = dict(zip((*PERCENTILES, "max"), cells, strict=True))
    return Told(int(completed), int(failed), {kind: int(amount) for amount, kind in errors.items()}, latency)


def as_shown(told):
    return attrs.evolve(told, latency={name: duration(value) for name, value in told.latency.items()})


def without_max(told):
    return attrs.evolve(told, latency={name: value for name, value in told.latency.items() if name != "max"})


def same(told):
    return told


@pytest.mark.parametrize(
    ("tells", "digits"),
    [
        pytest.param(of_terminal, as_shown, id="terminal"),
        pytest.param(of_page, same, id="page"),
        pytest.param(lambda run: of_summary(json.loads(run.json)), same, id="json"),
        pytest.param(lambda run: of_summary(recover(run.folder, anew=True).summary), same, id="recovered"),
        pytest.param(of_prometheus, without_max, id="prometheus"),
        pytest.param(of_otlp, without_max, id="otlp"),
        pytest.param(of_junit, without_max, id="junit"),
        pytest.param(of_github, as_shown, id="github"),
    ],
)
def test_everything_tells_the_same(run, tells, digits):
    expected = of_summary(run.summary)
    assert (expected.completed, expected.failed, expected.errors) == (57, 3, {"agent_error": 3})
    assert tells(run) == digits(expected)


def test_a_histogram_file_tells_the_same(run):
    text = (run.beside / "hgrm" / f"{LATENCY}.hgrm").read_text()
    entry = run.summary["metrics"][LATENCY]
    highest = float(re.search(r"Max\s+=\s+([\d.]+)", text)[1])
    assert highest == pytest.approx(entry["max"] * 1000, rel=NEAR)
    lines = [[float(one) for one in line.split()[:3]] for line in text.splitlines() if re.match(r"\s*\d", line)]
    assert lines[-1][2] == entry["count"]
    for name in PERCENTILES:
        share = float(name[1:]) / 100
        below = [value for value, upto, _ in lines if upto <= share]
        above = [value for value, upto, _ in lines if upto >= share]
        value = entry[name] * 1000
        assert below[-1] <= value * (1 + NEAR)
        assert above[0] >= value * (1 - NEAR)
