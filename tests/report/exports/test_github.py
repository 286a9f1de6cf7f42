"""GitHub Actions: what its runner would obey in our output, by its own rules, and what its pages would show."""

import io
import json
import re
from html.parser import HTMLParser

import attrs
import pytest
from exported import ANY_TEXT, HOSTILE, sample_run, sample_summary
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from coval_load.report.exports import github, github_page
from coval_load.report.exports.github import MOST_BYTES, annotations, fenced, inert_json, step_summary, write_for_github
from coval_load.report.visible import visible

COMMANDS = {"error", "warning", "notice", "group", "endgroup", "add-mask", "set-output", "stop-commands", "debug"}
TAGS = {"h2", "h3", "p", "ul", "li", "table", "tr", "th", "td", "strong", "code"}
ACTS = st.sampled_from(
    ["::", "##[", "]", "::error::", " ", "\n", "\r", "%0A", "<", "`", "|", "](http://x.invalid)", "@me"]
)
HOSTILE_TEXT = ANY_TEXT | st.lists(ACTS | ANY_TEXT, max_size=8).map("".join) | st.just(HOSTILE)


@attrs.frozen
class Diagnosis:
    answer: str
    findings: tuple = ()


@attrs.frozen
class Finding:
    title: str
    sentences: tuple
    severity: str = "bad"


def obeyed(text):
    """What a runner carries out, as its `ActionCommand.cs` reads it: (name, properties, message)."""
    stopped, token, found = False, None, []
    for line in re.split(r"\r\n|\r|\n", text):
        command = read_new(line, token) or read_old(line)
        if command is None:
            continue
        name, properties, message = command
        if stopped:
            stopped = name != token
            continue
        if name == "stop-commands":
            stopped, token = True, message
            continue
        found.append((name, properties, message))
    assert not stopped
    return found


def read_new(line, token):
    head = re.match(r"\s*::([^ :]+)(?: (.*?))?::(.*)$", line)
    if head is None or head[1] not in {*COMMANDS, token}:
        return None
    pairs = (pair.split("=", 1) for pair in (head[2] or "").split(",") if pair)
    return head[1], {name: unescaped(value, {":": "%3A", ",": "%2C"}) for name, value in pairs}, unescaped(head[3], {})


def read_old(line):
    head = re.search(r"##\[([^ \]]+)[^\]]*\](.*)$", line)
    return (head[1], {}, head[2]) if head and head[1] in COMMANDS else None


def unescaped(text, more):
    for letter, written in {"\r": "%0D", "\n": "%0A", **more, "%": "%25"}.items():
        text = text.replace(written, letter)
    return text


class Page(HTMLParser):
    """The tags of a page, all of them without attributes, and its text by whether it stands in code."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.code, self.prose = set(), [], [], []

    def handle_starttag(self, tag, attributes):
        assert not attributes
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.code if "code" in self.open else self.prose).append(data)

    def handle_comment(self, data):
        raise AssertionError(data)


def rendered(text):
    page = Page()
    page.feed(MarkdownIt("commonmark").enable("table").render(text))
    page.close()
    assert not page.open
    assert page.tags <= TAGS
    return page


def many_failures():
    summary = sample_summary(crossed=2, verdict="invalid")
    row = summary["thresholds"][0]
    summary["thresholds"] = [row | {"threshold": f"p95 < {number}ms"} for number in range(30)]
    check = summary["checks"][0]
    summary["checks"] = [check | {"check": f"check {number}"} for number in range(30)]
    return summary


def test_what_went_wrong_is_annotated():
    found = obeyed("\n".join(annotations(sample_summary(verdict="invalid"), sample_run())))
    assert [(name, properties["title"], message) for name, properties, message in found] == [
        ("error", "coval-load: the run can't be trusted", "the generator woke late: expected a reply"),
        (
            "error",
            "coval-load: threshold crossed",
            "response_latency p95 < 1s: expected p95 < 1s; got expected a reply",
        ),
        ("warning", "coval-load: 3 conversations failed: no_response", "expected a reply"),
        (
            "warning",
            "coval-load: 1 of 1 failed the check says expected a reply",
            "order-a-pizza: expected a reply",
        ),
    ]


def test_a_run_that_went_well_has_none_and_one_to_be_trusted_with_care_a_warning():
    well = sample_summary(failed=0, crossed=0) | {"checks": []}
    assert list(annotations(well, sample_run())) == []
    degraded = well | {"generator": {"verdict": "degraded", "reasons": ["CPU at 93 %"]}}
    ((name, properties, message),) = obeyed("\n".join(annotations(degraded, sample_run())))
    assert (name, message) == ("warning", "CPU at 93 %")
    assert properties["title"] == "coval-load: the run can be trusted with care"


def test_a_run_without_any_completed_simulation_is_an_error():
    summary = sample_summary(crossed=0)
    summary["counts"]["completed"] = 0
    (first, *_) = annotations(summary, sample_run())
    assert first == "::error title=coval-load%3A no simulation completed::3 simulations failed"


def test_there_are_no_more_than_github_shows_and_the_last_says_how_many_more():
    found = obeyed("\n".join(annotations(many_failures(), sample_run())))
    for kind in ("error", "warning"):
        titles = [properties["title"] for name, properties, _ in found if name == kind]
        assert len(titles) == 10
        assert titles[-1] == "coval-load: and 22 more"


def test_the_diagnosis_comes_first():
    (first, *_) = annotations(sample_summary(), sample_run(), Diagnosis("support-eu stopped answering"))
    assert first == "::notice title=coval-load%3A support line::support-eu stopped answering"


@given(HOSTILE_TEXT)
def test_whatever_was_said_stands_in_an_annotation_and_gives_no_command(text):
    lines = list(annotations(sample_summary(text, "invalid"), sample_run(text), Diagnosis(text)))
    assert all("\n" not in line and "\r" not in line for line in lines)
    found = obeyed("\n".join(lines))
    assert [name for name, _, _ in found] == [*(["notice"] if text else []), "error", "error", "warning", "warning"]
    assert all(set(properties) == {"title"} for _, properties, _ in found)
    (message,) = (message for _, properties, message in found if properties["title"].endswith("no_response"))
    assert message == (visible(text).replace("##[", "## [") or "no_response")


@given(HOSTILE_TEXT)
def test_nothing_within_the_fence_is_a_command(text):
    written = fenced(visible(text), "f00d")
    assert obeyed(f"{written}::error::ours\n") == [("error", {}, "ours")]
    within = written.removeprefix("::stop-commands::f00d\n").removesuffix("::f00d::\n")
    assert "##[" not in within
    assert within.replace("## [", "##[").rstrip("\n") == visible(text).replace("## [", "##[").rstrip("\n")


@given(HOSTILE_TEXT.map(visible))
def test_json_says_the_same_and_gives_no_command(text):
    written = json.dumps({"said": text, text: 1}, indent=2, ensure_ascii=False).encode()
    inert = inert_json(written)
    assert json.loads(inert) == json.loads(written)
    assert obeyed(inert.decode()) == []


def test_the_runner_of_these_tests_obeys_both_kinds_of_commands():
    assert [name for name, *_ in obeyed("  ::error title=a::b\nsaid ##[group]x\n::unknown::x\n")] == ["error", "group"]


@given(HOSTILE_TEXT)
def test_the_page_shows_what_was_said_and_makes_nothing_of_it(text):
    told = Diagnosis(text, (Finding(text, (text, "and more")),))
    page = rendered(step_summary(sample_summary(text, "invalid"), sample_run(text), told))
    assert {"h2", "table", "code"} <= page.tags
    shown = visible(text).replace("\n", "␊").replace("\t", " ")
    if shown.strip():
        assert shown in page.code
    outside = "".join(page.prose)
    assert not re.search(r"[@#]|://|www\.", outside)


def test_the_page_has_a_part_for_everything():
    told = Diagnosis("support-eu stopped answering after 2m", (Finding("no answers", ("from 2m on", "in refund")),))
    summary = sample_summary(verdict="degraded")
    text = "".join(page_words(summary, told))
    for words in (
        "465 simulations completed, 3 failed; 1 of 2 thresholds held; this run can be trusted with care",
        "the generator woke late: expected a reply",
        "support-eu stopped answering after 2m",
        "no answers from 2m on in refund",
        "crossedresponse_latency p95 < 1s0.9 s",
        "heldresponse_latency p95 < 2s",
        "response_latency3300 ms900 ms900 ms900 ms",
        "11order-a-pizzasays expected a replyexpected a reply",
        "3no_responseexpected a reply",
        "a note: expected a reply",
    ):
        assert words in text


def page_words(summary, told):
    page = Page()
    page.handle_data = page.prose.append
    page.feed(step_summary(summary, sample_run(), told))
    return page.prose


def test_the_page_leaves_out_what_it_has_no_room_for():
    summary = sample_summary("x" * 100)
    whole = step_summary(summary, sample_run())
    half = github_page.page(summary, sample_run(), None, most_bytes=len(whole) // 2)
    assert whole.startswith(half)
    assert 0 < len(half.encode()) <= len(whole) // 2
    assert half.endswith("\n\n")
    rendered(half)


def test_long_tables_are_cut():
    assert "and 10 more (summary.json has all)" in step_summary(
        sample_summary() | {"thresholds": sample_summary()["thresholds"] * 30}, sample_run()
    )


def test_nothing_is_written_outside_of_github(tmp_path):
    stream, file = io.StringIO(), tmp_path / "summary.md"
    write_for_github(sample_summary(), sample_run(), {"GITHUB_STEP_SUMMARY": str(file)}, stream)
    assert (stream.getvalue(), file.exists()) == ("", False)


def test_the_page_is_added_to_the_file_as_far_as_it_has_room(tmp_path):
    stream, file = io.StringIO(), tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(file)}
    file.write_text("# Before\n\n")
    write_for_github(sample_summary(), sample_run(), environment, stream)
    assert file.read_text() == "# Before\n\n" + step_summary(sample_summary(), sample_run())
    assert stream.getvalue().splitlines() == list(annotations(sample_summary(), sample_run()))
    file.write_text("x" * (MOST_BYTES - 100))
    write_for_github(sample_summary(), sample_run(), environment, stream)
    assert MOST_BYTES - 100 < file.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_file_that_can_not_be_written_is_told_and_a_narrow_output_written_all_the_same(tmp_path, capsys, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "not-there" / "summary.md")}
    write_for_github(sample_summary("naïve"), sample_run(), environment, stream)
    assert capsys.readouterr().err.startswith("expected to write the file of GITHUB_STEP_SUMMARY; got: No such file")
    assert "::error title=" in stream.buffer.getvalue().decode()


def test_without_a_file_and_with_an_output_that_was_closed_nothing_is_raised():
    stream = io.StringIO()
    stream.close()
    write_for_github(sample_summary(), sample_run(), {"GITHUB_ACTIONS": "true"}, stream)
    assert not github.is_github({"GITHUB_ACTIONS": "false"})
