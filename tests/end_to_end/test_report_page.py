"""The page of a run in a real browser, opened from disk."""

import json

import pytest
from browser import Browser, needs_browser

from coval_load.engine.run_folder import read_rows
from coval_load.report.page.page import look_into, write_report
from coval_load.report.visible import visible
from tests.report.made_runs import make_run

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    options = {"simulations": 150, "bad": True, "hostile": True, "voice": True, "recordings": 2}
    folder = make_run(tmp_path_factory.mktemp("page") / "run", **options)
    summary, described = (json.loads((folder / name).read_text()) for name in ("summary.json", "run.json"))
    write_report(look_into(folder, summary, described), folder / "report.html")
    return folder


@pytest.fixture
def page(run):
    return run / "report.html"


def rows(run):
    return list(read_rows(run / "simulations.jsonl"))


def opened(browser, simulation):
    return browser.wait(
        "const open = document.querySelector('.toggle[aria-expanded=true]');"
        "return open && open.dataset.id === arguments[0] && document.querySelector('.detail h4') !== null",
        simulation,
    )


def wait_for_those_without_response(browser, run):
    failed = [row for row in rows(run) if row["error"] and row["error"]["kind"] == "no_response"]
    shown = "return document.getElementById('shown').textContent.startsWith(arguments[0])"
    browser.wait(shown, f"{len(failed)} of 150")


def wait_for_those_found_in_transcripts(browser, found):
    told = "const told = document.getElementById('shown').textContent;"
    words = f"{len(found)} of 150"
    browser.wait(f"{told} return told.startsWith(arguments[0]) && told.includes('transcripts searched')", words)


def test_it_asks_nobody_for_anything_and_complains_of_nothing(browser, page):
    browser.open_report(page)
    browser.wait_for_charts()
    assert browser.requests() == [f"file://{page}"]
    assert browser.complaints() == []
    drawn = browser.run("return [...document.querySelectorAll('.plot')].map((one) => one.firstElementChild !== null)")
    assert len(drawn) >= 6
    assert all(drawn)


def test_charts_have_the_colours_of_the_scheme_and_the_data_of_the_run(browser, page):
    browser.prefer("light")
    browser.open_report(page)
    browser.wait_for_charts()
    colour = "return Bokeh.documents[0].roots()[0].background_fill_color"
    light = browser.run(colour)
    browser.prefer("dark")
    dark = browser.wait(f"{colour} !== arguments[0] && Bokeh.documents[0].roots()[0].background_fill_color", light)
    browser.prefer("light")
    assert {light, dark} == {"#ffffff", "#14171c"}
    lengths = browser.run(
        "return Bokeh.documents.map((one) => [...one.roots()[0].references()]"
        ".find((model) => model.type === 'ColumnDataSource' && model.name).get_length())"
    )
    assert all(length > 3 for length in lengths)
    assert browser.complaints() == []


def test_a_filter_leaves_what_was_chosen(browser, run, page):
    browser.turn_to(page)
    browser.run(
        "const select = document.getElementById('filter-kind'); select.value = 'no_response';"
        "select.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    wait_for_those_without_response(browser, run)
    assert set(browser.texts("#rows .badge")) == {"no_response"}


def test_an_error_leads_to_its_conversations_and_back(browser, run, page):
    browser.turn_to(page)
    browser.run("document.querySelector('#errors a[href=\"#kind=no_response\"]').click()")
    wait_for_those_without_response(browser, run)
    assert browser.run("return document.getElementById('filter-kind').value") == "no_response"


def test_a_percentile_leads_to_a_conversation_and_back(browser, page):
    browser.turn_to(page)
    link = browser.run(
        "const link = document.querySelector('#metrics a[href^=\"#simulation=\"]'); link.click();"
        "return link.getAttribute('href')"
    )
    simulation = link.removeprefix("#simulation=")
    opened(browser, simulation)
    assert simulation in browser.text(".detail")
    browser.driver.back()
    browser.wait("return !document.querySelector('.toggle[aria-expanded=true]')")


def test_one_that_is_not_there_is_said_to_be_missing(browser, page):
    browser.turn_to(page, "#simulation=nobody")
    assert "nobody is not in this report" in browser.text("#shown")


def test_it_can_be_used_by_keyboard_alone(browser, run, page):
    from selenium.webdriver import ActionChains, Keys

    browser.open_report(page)
    row = next(row for row in rows(run) if row["outcome"] == "completed")
    browser.run("window.stops = []; addEventListener('focusin', (event) => window.stops.push(event.target.id))")
    while "search" not in (stops := browser.run("return window.stops")):
        assert len(stops) < 300
        browser.press(*[Keys.TAB] * 10)
    back = [Keys.TAB] * (len(stops) - 1 - stops.index("search"))
    ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys(*back).key_up(Keys.SHIFT).perform()
    assert browser.run("return document.activeElement.id") == "search"
    browser.press(row["simulation_output_id"][:12], Keys.ARROW_DOWN)
    browser.wait("return document.activeElement.classList.contains('toggle')")
    assert browser.run("return document.activeElement.getAttribute('aria-expanded')") == "false"
    browser.press(Keys.ENTER)
    opened(browser, row["simulation_output_id"])
    browser.press(Keys.ENTER)
    browser.wait("return !document.querySelector('.detail')")
    assert browser.text("#shown").startswith("1 of 150")


def test_charts_are_no_stops_on_the_way(browser, page):
    browser.turn_to(page)
    browser.wait("return performance.getEntriesByName('charts shown').length > 0")
    stops = """
        const within = (root) => [...root.querySelectorAll("*")].flatMap(
            (one) => [...(one.tabIndex >= 0 ? [one] : []), ...(one.shadowRoot ? within(one.shadowRoot) : [])]);
        return [...document.querySelectorAll(".plot")].flatMap((plot) => within(plot)).length === 0;
    """
    browser.wait(stops)
    assert browser.run("return document.querySelectorAll('.plot > *').length > 0")


def test_words_of_a_transcript_are_found(browser, run, page):
    browser.turn_to(page)
    row = next(row for row in rows(run) if row["outcome"] == "completed")
    ticket = next(turn["content"] for turn in row["transcript"] if "ticket" in (turn["content"] or ""))[-7:-1]
    browser.run("document.getElementById('search').focus()")
    browser.press(ticket)
    same = [one for one in rows(run) if any(ticket in (turn["content"] or "") for turn in one["transcript"])]
    wait_for_those_found_in_transcripts(browser, same)


def test_what_the_agent_says_shows_and_does_nothing(browser, run, page):
    hostile = "<script>alert('said by the agent')</script>"
    row = next(one for one in rows(run) if any(turn["content"] == hostile for turn in one["transcript"]))
    browser.open_report(page, f"#simulation={row['simulation_output_id']}")
    opened(browser, row["simulation_output_id"])
    said = browser.texts(".detail .said")
    expected = [visible(turn["content"]) for turn in row["transcript"] if turn.get("type") is None]
    assert hostile in said
    assert [text for text in said if text in expected] == expected
    assert browser.run("return document.querySelectorAll('.detail script, .detail img').length") == 0
    assert browser.run("return document.title").startswith("support line")
    assert browser.complaints() == []  # a dialog would have failed every call since


def test_what_the_agent_understood_and_how_its_reply_ended_show_beside_what_was_said(browser, run, page):
    row = next(one for one in rows(run) if any("ended" in turn for turn in one["transcript"]))
    browser.turn_to(page, f"#simulation={row['simulation_output_id']}")
    opened(browser, row["simulation_output_id"])
    (ended,) = (turn["ended"] for turn in row["transcript"] if "ended" in turn)
    # Of the others only upper case and a mark differ.
    assert browser.texts(".detail .heard") == [f"the agent understood: {visible(row['transcript'][0]['transcribed'])}"]
    (measured,) = (text for text in browser.texts(".detail .measured") if "reply incomplete" in text)
    assert measured.startswith(f"reply {visible(ended)} · 214 tokens read (96 of audio), 61 written (48 of audio)")
    assert any(text.startswith("text: ") for text in browser.texts(".detail .said"))
    browser.turn_to(page)
    browser.run("document.getElementById('search').focus()")
    browser.press("incomplete")
    same = [one for one in rows(run) if any("ended" in turn for turn in one["transcript"])]
    wait_for_those_found_in_transcripts(browser, same)
    assert browser.complaints() == []


def test_a_recording_plays_from_a_turn(browser, run, page):
    row = next(one for one in rows(run) if one["recording"] and len(one["transcript"]) > 2)
    browser.turn_to(page, f"#simulation={row['simulation_output_id']}")
    opened(browser, row["simulation_output_id"])
    browser.run("return document.querySelectorAll('.detail button.at')[2]").click()  # browsers want a real click
    browser.wait("return document.querySelector('audio').readyState > 0")
    expected_s = row["transcript"][2]["start"] - row["recording"]["start"]
    assert browser.wait("return document.querySelector('audio').currentTime") >= expected_s - 0.1
    assert browser.complaints() == []


def test_a_recording_that_was_displaced_has_no_player(browser, tmp_path):
    folder = make_run(tmp_path / "run", simulations=3, voice=True, recordings=2)
    gone, there = (row["simulation_output_id"] for row in rows(folder) if row["recording"])
    (folder / "recordings" / f"{gone}.wav").unlink()
    summary, described = (json.loads((folder / name).read_text()) for name in ("summary.json", "run.json"))
    write_report(look_into(folder, summary, described), folder / "report.html")
    for simulation, players in ((gone, 0), (there, 1)):
        browser.turn_to(folder / "report.html", f"#simulation={simulation}")
        opened(browser, simulation)
        assert browser.run("return document.querySelectorAll('.detail audio').length") == players


def test_an_open_conversation_makes_its_table_no_wider(browser, run, page):
    browser.turn_to(page, f"#simulation={rows(run)[0]['simulation_output_id']}")
    opened(browser, rows(run)[0]["simulation_output_id"])
    assert (
        browser.run(
            "const box = document.getElementById('table').parentElement; return box.scrollWidth - box.clientWidth"
        )
        == 0
    )


def test_who_spoke_when_is_told_in_words_and_pictures(browser, run, page):
    row = next(one for one in rows(run) if one["outcome"] == "completed")
    browser.turn_to(page, f"#simulation={row['simulation_output_id']}")
    opened(browser, row["simulation_output_id"])
    label = browser.run("return document.querySelector('svg.speech').getAttribute('aria-label')")
    assert "caller: 8 turns" in label
    assert browser.run("return document.querySelectorAll('svg.speech rect.assistant').length") == 8


def test_on_a_phone_nothing_but_tables_scrolls_sideways(browser, page):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.open_report(page)
        browser.wait_for_charts()
        browser.run("document.querySelector('#rows .toggle').click()")
        browser.wait("return document.querySelector('.detail .turns')")
        assert browser.run("return document.documentElement.scrollWidth") == 360
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
