"""A run that goes on, in a real browser: signed in to, looked at, changed and stopped by keyboard."""

import json

import attrs
import pytest
from browser import Browser, needs_browser
from threaded_agent import threaded_agent
from watched_command import watched_command

from coval_load.report.visible import visible

pytestmark = needs_browser

TOKEN = "0123-secret-4567-token"
CHARTS = 7
_DRAWN = """
const found = [];
const look = (node) => {
  if (node instanceof HTMLCanvasElement) found.push(node);
  for (const child of [...node.children, ...(node.shadowRoot ? node.shadowRoot.children : [])]) look(child);
};
const drawn = (canvas) => canvas.width && new Set(
  new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 2;
return [...document.querySelectorAll(".plot")].map((plot) => {
  found.length = 0;
  look(plot);
  return found.some(drawn);
});
"""
_POINTS = """
return Bokeh.documents.map((one) => [...one.roots()[0].references()]
  .find((model) => model.type === 'ColumnDataSource' && model.name).get_length())
"""
_COUNT_OF = """
const count = (name) => {
  const found = [...document.querySelectorAll("#counts div")].find((one) => one.children[0].textContent === name);
  return found ? parseInt(found.children[1].textContent.replaceAll(",", "")) : 0;
}
"""


@attrs.define
class Story:
    """What was seen, in order."""

    folder: object
    said: str
    base: str
    refused: str = ""
    signed_in: str = ""
    address: str = ""
    cookies: list = attrs.field(factory=list)
    drawn: list = attrs.field(factory=list)
    points: list = attrs.field(factory=list)
    errors: list = attrs.field(factory=list)
    markup: int = -1
    legend: list = attrs.field(factory=list)
    changed: str = ""
    stopping: str = ""
    focused: str = ""
    over: str = ""
    completed: int = -1
    requests: list = attrs.field(factory=list)
    complaints: list = attrs.field(factory=list)
    widths: list = attrs.field(factory=list)
    exit_code: int = -1

    @property
    def summary(self):
        return json.loads((self.folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("dashboard")
    load = {"concurrency": 2, "duration": "120s"}
    options = ("--web-address=127.0.0.1:0", "--out=run")
    with threaded_agent(fails=frozenset({4, 5, 6})) as agent:
        plan = agent.plan(cwd, load=load, limits={"per_agent": 10})
        with watched_command("run", plan, *options, cwd=cwd, COVAL_LOAD_WEB_TOKEN=TOKEN) as command:
            browser = Browser()
            try:
                told = Story(cwd / "run", "", command.says(r"dashboard: (\S+)\n"))
                sign_in(browser, told)
                look(browser, told)
                change(browser, told)
                stop(browser, told, command)
            finally:
                browser.driver.quit()
            told.said = command.out.read_text() + command.err.read_text()
    return told


def sign_in(browser, told):
    browser.open(told.base)
    for token in ("wrong-wrong-wrong-wrong", TOKEN):
        browser.press(token, "\n")  # the field has the focus
        if token != TOKEN:
            browser.wait("return performance.getEntriesByType('navigation')[0].name.endsWith('/sign-in')")
            browser.wait("return document.activeElement.type === 'password' && !document.activeElement.value")
            told.refused = browser.text("body")
    browser.wait("return document.getElementById('run') && !document.getElementById('run').hidden")
    told.signed_in = browser.driver.page_source
    told.address = browser.driver.current_url
    told.cookies = browser.driver.get_cookies()
    browser.complaints()  # that the wrong token was one


def look(browser, told):
    browser.wait_for_charts()
    browser.wait("return document.querySelector('#error-rows tr')")
    before = browser.run(f"{_COUNT_OF}; return count('completed')")
    browser.wait(f"{_COUNT_OF}; return count('completed') > arguments[0]", before)
    browser.wait("return (() => {" + _POINTS + "})().every((amount) => amount > 2)")
    told.drawn, told.points = browser.run(_DRAWN), browser.run(_POINTS)
    told.errors = browser.texts("#error-rows .message")
    told.markup = browser.run("return document.querySelectorAll('main img, main script').length")
    told.legend = browser.run(
        "return Bokeh.documents.flatMap((one) => one.roots()[0].above).filter((one) => one.type === 'Legend')"
        ".flatMap((one) => one.items).filter((one) => one.visible).map((one) => one.label.value)"
    )
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    told.widths = browser.run(
        "return [document.documentElement, ...document.querySelectorAll('.scroll')].map((one) => one.scrollWidth)"
    )
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def change(browser, told):
    browser.run("document.querySelector('#loads input').focus(); document.querySelector('#loads input').select()")
    browser.press("5", "\n")
    told.changed = browser.wait("return document.getElementById('said').textContent")
    browser.wait(f"{_COUNT_OF}; return count('running') === 5")


def stop(browser, told, command):
    browser.run("document.getElementById('stop').focus()")
    browser.press("\n")
    told.stopping = browser.wait(
        "const said = document.getElementById('said').textContent; return said !== arguments[0] && said", told.changed
    )
    browser.wait("return document.getElementById('news').className === 'over'")
    told.over = browser.text("#news")
    told.focused = browser.run("return document.activeElement.id")
    told.completed = browser.run(f"{_COUNT_OF}; return count('completed')")
    told.requests, told.complaints = browser.requests(), browser.complaints()
    told.exit_code = command.end()


def test_only_who_has_the_token_sees_the_run(story):
    assert "Token" in story.refused
    assert "completed" not in story.refused
    assert story.address == story.base
    (cookie,) = story.cookies
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_the_token_stands_nowhere(story):
    places = {path.name: path.read_text(errors="replace") for path in story.folder.rglob("*") if path.is_file()}
    assert {"run.json", "summary.json", "report.html"} <= places.keys()
    places |= {"what it said": story.said, "the page": story.signed_in, "addresses": " ".join(story.requests)}
    assert [name for name, text in places.items() if TOKEN in text] == []


def test_every_chart_is_drawn_and_grows(story):
    assert story.drawn == [True] * CHARTS
    assert len(story.points) == CHARTS


def test_legends_have_what_there_is(story):
    assert {"agent_error", "wake-ups", "border for wake-ups", "response_latency"} <= {*story.legend}
    assert not {"frames", "border for frames", "ttft", "no_response"} & {*story.legend}


def test_it_asks_nobody_but_its_own_server_and_complains_of_nothing(story):
    assert story.complaints == []
    assert len(story.requests) > 3
    assert [url for url in story.requests if not url.startswith(story.base)] == []


def test_what_an_agent_says_shows_as_text(story):
    (message,) = story.errors
    assert "<img src=x onerror=alert(1)>" in message
    assert visible(message) == message
    assert story.markup == 0  # and a dialog would have failed every call since


def test_on_a_phone_nothing_scrolls_sideways(story):
    assert max(story.widths) <= 360


def test_the_load_is_changed_for_real(story):
    assert story.changed == "default: 5 at once from now on"
    (changed,) = story.summary["changes"]
    assert (changed["before"], changed["concurrency"]) == (2, 5)


def test_stop_ends_the_run_as_an_interrupt_does(story):
    assert story.exit_code == 130
    assert story.stopping == "no more are started; the running ones finish"
    assert any("stopped from the dashboard" in note for note in story.summary["notes"])
    assert "stopped from the dashboard" in " ".join(story.said.split())


def test_the_page_keeps_the_end(story):
    assert story.over == "the run is over. The whole of it is in report.html of its folder, run"
    assert story.completed == story.summary["counts"]["completed"]
    assert story.focused == "news"  # the button that had it is gone
