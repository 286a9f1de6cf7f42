"""The page of a run as a file: what is text stays text, and its numbers are those of the summary."""

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.metrics import METRICS
from coval_load.engine.run_folder import read_rows
from coval_load.report.contents import Contents
from coval_load.report.diagnosis import Diagnosis, Finding
from coval_load.report.packing import pack
from coval_load.report.page.page import look_into, report_html, write_report
from coval_load.report.units import duration
from coval_load.report.visible import visible
from tests.report.made_runs import HOSTILE, make_run

_VOID = {"meta", "link", "input", "br"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


class Page(HTMLParser):
    """Elements in order, their attributes, and the text within each."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.errors = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "attributes": dict(attributes), "text": "", "within": [one["tag"] for one in self.stack]}
        self.elements.append(element)
        if tag not in _VOID:
            self.stack.append(element)

    def handle_endtag(self, tag):
        if not self.stack or self.stack[-1]["tag"] != tag:
            self.errors.append(tag)
        else:
            self.stack.pop()

    def handle_data(self, text):
        for element in self.stack:
            element["text"] += text

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    def attributes(self, name):
        return [one["attributes"][name] for one in self.elements if name in one["attributes"]]

    @property
    def scripts(self):
        return [one["text"] for one in self.all("script") if "type" not in one["attributes"]]

    def words(self):
        """All text but that of scripts and styles."""
        skipped = {"script", "style"}
        return "\n".join(one["text"] for one in self.elements if one["tag"] not in skipped | {"html", "head", "body"})


def read(folder):
    return [json.loads((folder / name).read_text()) for name in ("summary.json", "run.json")]


def written(folder):
    summary, run = read(folder)
    write_report(look_into(folder, summary, run), folder / "report.html")
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("page") / "run", simulations=120, bad=True, hostile=True, voice=True)
    return folder, written(folder)


@pytest.fixture(scope="module")
def page(hostile):
    return Page(hostile[1])


def contents(summary=None, run=None, **more):
    known = {
        "summary": {
            "counts": {"offered": 1, "started": 1, "completed": 1, "failed": 0, "cancelled": 0},
            "errors": {},
            "counters": {},
            "metrics": {},
            "generator": {"verdict": "valid", "reasons": [], "cpu_share": None},
            "notes": [],
        }
        | (summary or {}),
        "run": {"name": "x", "started": "2026-03-04T12:00:00.000Z", "ended": None, "plan": {}} | (run or {}),
        "course": {},
        "plots": {},
        "near": {},
        "table": pack({"id": []}),
        "chunks": [],
        "shown": 0,
        "total": 0,
        "left_out": [],
        "has_recordings": False,
    }
    return Contents(**known | more)


def test_the_document_is_well_formed(page):
    assert page.errors == []
    assert page.stack == []
    assert page.all("html")[0]["attributes"]["lang"] == "en"
    identities = page.attributes("id")
    assert len(identities) == len(set(identities))


def test_headings_are_in_order(page):
    levels = [_HEADINGS[one["tag"]] for one in page.elements if one["tag"] in _HEADINGS]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_within_the_page_leads_somewhere(page):
    links = [one for one in page.attributes("href") if one.startswith("#")]
    places = {link[1:] for link in links if "=" not in link}
    assert places
    assert places <= set(page.attributes("id"))


def test_nothing_of_what_the_agent_says_is_markup(page):
    assert all(not name.startswith("on") for one in page.elements for name in one["attributes"])
    assert {one["tag"] for one in page.elements}.isdisjoint({"img", "iframe", "object", "embed", "base", "b"})
    assert all(href.startswith("#") or href == "data:," for href in page.attributes("href"))
    assert page.attributes("src") == []


def test_hostile_messages_show_as_text(hostile, page):
    folder, _ = hostile
    summary, _ = read(folder)
    examples = [*summary["error_examples"].values(), *(row["example"] for row in summary["checks"] if row["failed"])]
    assert any(text[:10] in example for example in examples for text in HOSTILE)
    for example in examples:
        assert visible(example) in page.words()


def test_nothing_in_the_file_acts_on_a_screen(hostile):
    for part in re.split(r"<script>.*?</script>", hostile[1], flags=re.DOTALL):
        assert visible(part) == part


def test_only_scripts_of_our_own_may_run(page):
    policy = next(one for one in page.attributes("content") if "default-src" in one)
    assert policy.startswith("default-src 'none'; ")
    allowed = re.search("script-src ([^;]*)", policy)[1].split()
    assert allowed == [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in page.scripts
    ]
    assert len(allowed) == 3


def test_our_scripts_never_make_markup_of_a_string(page):
    ours = [script for script in page.scripts if len(script) < 100_000]
    assert len(ours) == 2
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch("):
        assert all(word not in script for script in ours)


def test_numbers_are_those_of_the_summary(hostile, page):
    summary, _ = read(hostile[0])
    rows = [element for element in page.all("tr") if "tbody" in element["within"]]
    for name, measured in summary["metrics"].items():
        row = next(one for one in rows if one["text"].lstrip().startswith(name + METRICS[name].definition))
        assert f"{measured['count']:,}" in row["text"]
        for key in ("min", "mean", "p50", "p99.9", "max"):
            assert duration(measured[key]) in row["text"]
    titles = page.attributes("title")
    assert f"{summary['metrics']['response_latency']['p99']!r} s" in titles
    counted = next(one["text"] for one in page.all("dl") if one["attributes"].get("class") == "counts")
    assert f"{summary['counts']['failed']:,}" in counted
    assert f"{summary['counts']['completed']:,}" in counted


def test_percentiles_lead_to_conversations_of_the_table(hostile, page):
    rows = read_rows(hostile[0] / "simulations.jsonl")
    linked = {href.removeprefix("#simulation=") for href in page.attributes("href") if "simulation=" in href}
    assert linked
    assert linked <= {row["simulation_output_id"] for row in rows}


def test_every_chart_is_told_in_words(page):
    figures = page.all("figure")
    assert len(figures) >= 6
    assert all(len(one["attributes"]["aria-label"]) > 40 for one in figures)
    assert len(page.all("figcaption")) == len(figures)


def test_without_data_it_has_less_than_two_megabytes(tmp_path):
    folder = make_run(tmp_path / "run", simulations=4, turns=20)
    html = written(folder)
    assert "bokeh" in html.lower()
    assert len(html.encode()) < 2_000_000


def test_a_run_of_seconds_waits_for_no_charts(tmp_path):
    folder = make_run(tmp_path / "run", simulations=2, turns=2)
    html = written(folder)
    assert "There are no charts" in html
    assert len(html.encode()) < 100_000


def test_a_run_that_measured_nothing_has_a_page():
    html = report_html(contents(), Diagnosis("", ()))
    assert "The run did not end" in html
    assert Page(html).errors == []
    assert "bokeh" not in html.lower()


@given(st.text(min_size=1), st.sampled_from(HOSTILE[:-1]))  # a long one only takes long
def test_any_text_anywhere_stays_text(some, hostile_text):
    text = some + hostile_text + "\ud800"
    crossed = {"metric": text, "threshold": text, "value": None, "unit": "s", "passed": False, "reason": text}
    summary = {
        "errors": {text: 1},
        "error_examples": {text: text},
        "notes": [text],
        "checks": [{"test_case": text, "check": text, "passed": 0, "failed": 1, "example": text}],
        "thresholds": [crossed],
        "drift": [{"verdict": "grew", "sentence": text}],
        "generator": {"verdict": "invalid", "reasons": [text], "cpu_share": None},
    }
    finding = Finding("agent", "bad", text, (text,), 1.0, None, text, {"agent": text}, (text,))
    run = {"name": text, "plan": {text: text}, "machine": {text: text}, "versions": {"coval_load": text}}
    plain = contents({key: _plain(value) for key, value in summary.items()}, _plain(run), left_out=["x"])
    shown = Page(report_html(contents(summary, run, left_out=[text]), Diagnosis(text, (finding,))))
    harmless = Finding("agent", "bad", "x", ("x",), 1.0, None, "x", {"agent": "x"}, ("x",))
    same = Page(report_html(plain, Diagnosis("x", (harmless,))))
    assert [one["tag"] for one in shown.elements] == [one["tag"] for one in same.elements]
    assert shown.errors == []
    assert " ".join(visible(text).split()) in " ".join(shown.words().split())


def _plain(value):
    """The same shape with harmless strings, but for the words that the page knows."""
    if isinstance(value, dict):
        return {(key if _is_known(key) else "x"): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value if not isinstance(value, str) or _is_known(value) else "x"


_KNOWN = "verdict reasons cpu_share test_case check passed failed example metric threshold value unit reason sentence"


def _is_known(text):
    return text in (*_KNOWN.split(), "name", "plan", "machine", "versions", "coval_load", "grew", "invalid", "s")


def test_what_stands_in_the_data_of_charts_ends_no_script():
    kind = "</script><b>owned</b><!--"
    course = {"at": [10.0, 20.0], "start": [0.0, 10.0], f"errors.{kind}": [1, 2]}
    page = Page(report_html(contents({"errors": {kind: 3}}, course=course), Diagnosis("", ())))
    assert page.errors == []
    assert page.all("b") == []
    (data,) = [one["text"] for one in page.all("script") if one["attributes"].get("id") == "chart-data"]
    assert json.loads(data)["sources"]["course"][f"errors.{kind}"] == [1, 2]


def test_ctrl_c_while_it_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", simulations=2)
    (folder / "report.html").write_text("the old one")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    summary, run = read(folder)
    with pytest.raises(KeyboardInterrupt):
        write_report(look_into(folder, summary, run), folder / "report.html")
    assert (folder / "report.html").read_text() == "the old one"
    assert not list(folder.glob("*.part"))
