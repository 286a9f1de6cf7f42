"""Who else may watch a run while it goes on: browsers, Prometheus, and what takes metrics over OTLP."""

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import attrs
import click

from coval_load.cli.output import say
from coval_load.cli.preparing import refuse
from coval_load.faults import Fault, Faulty

if TYPE_CHECKING:
    from coval_load.plans.launch import Live, Watch
    from coval_load.report.dashboard.access import Access

WEB = "127.0.0.1:8765"
PROMETHEUS = "127.0.0.1:9464"
"""Where OpenTelemetry's exporters for Prometheus listen, too."""

_OPTIONS = (
    click.option("--web", is_flag=True, help=f"Show the run live in a browser, at http://{WEB}/."),
    click.option("--web-address", help="The same at another address, such as 8080, :8080 or [::1]:8080."),
    click.option("--prometheus", is_flag=True, help=f"Let Prometheus scrape http://{PROMETHEUS}/metrics."),
    click.option("--prometheus-address", help="The same at another address."),
    click.option("--otlp", is_flag=True, help="Push metrics over OTLP to where OTEL_EXPORTER_OTLP_ENDPOINT says."),
    click.option("--otlp-endpoint", help="The same to another address: http://127.0.0.1:4318/v1/metrics."),
)


@attrs.frozen(kw_only=True)
class Serving:
    """What the command line asks for."""

    web: bool = False
    web_address: str | None = None
    prometheus: bool = False
    prometheus_address: str | None = None
    otlp: bool = False
    otlp_endpoint: str | None = None

    def open(self, environment: Mapping[str, str] = os.environ) -> "Served":
        """Listen, and make what takes its time; exits with 2 and every fault where that can't be."""
        opened, faults = Served(), list[Fault]()
        for name, ask in (("web", self._open_web), ("prometheus", self._open_prometheus), ("otlp", self._open_otlp)):
            try:
                ask(opened, environment)
            except ValueError as error:
                faults.append(Fault(f"--{name}", str(error)))
        if faults:
            opened.close()
            refuse(Faulty(faults))
        return opened

    def _open_web(self, opened: "Served", environment: Mapping[str, str]) -> None:
        if self.web or self.web_address is not None:
            opened.web = _listen(self.web_address or WEB, environment, opened, _pages)

    def _open_prometheus(self, opened: "Served", environment: Mapping[str, str]) -> None:
        if self.prometheus or self.prometheus_address is not None:
            _listen(self.prometheus_address or PROMETHEUS, environment, opened)

    def _open_otlp(self, opened: "Served", environment: Mapping[str, str]) -> None:
        if self.otlp or self.otlp_endpoint is not None:
            from coval_load.report.exports.otlp import open_exporter

            opened.watches.append(partial(_push, open_exporter(self.otlp_endpoint)))


NOT_SERVED = Serving()
"""Nobody else watches."""


@attrs.define
class Served:
    """`watches` go beside the run; `web` is the address of the dashboard, None where there is none."""

    watches: "list[Watch]" = attrs.field(factory=list)
    web: str | None = None
    _sockets: list[socket.socket] = attrs.field(factory=list)

    def add(self, listening: socket.socket, watch: "Watch") -> None:
        """What serves `listening` beside the run."""
        self._sockets.append(listening)
        self.watches.append(watch)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        """Close what no run took up."""
        self.close()

    def close(self) -> None:
        """Listen no longer."""
        for listening in self._sockets:
            with suppress(OSError):
                listening.close()


def serving_options(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the options; it gets them as `serving`, a `Serving`."""
    names = [field.name for field in attrs.fields(Serving)]

    @wraps(command)
    def with_serving(*arguments: Any, **values: Any) -> object:
        asked = Serving(**{name: values.pop(name) for name in names})
        return command(*arguments, serving=asked, **values)

    taking: Callable[..., object] = with_serving
    for option in reversed(_OPTIONS):
        taking = option(taking)
    return taking


def _pages() -> Sequence[str]:
    from coval_load.report.dashboard.page import dashboard_page, sign_in_page  # it takes a second to load Bokeh

    return dashboard_page(), sign_in_page()


def _listen(
    text: str, environment: Mapping[str, str], opened: Served, make_pages: Callable[[], Sequence[str]] | None = None
) -> str:
    from coval_load.report.dashboard.access import Access, Address
    from coval_load.report.dashboard.serving import listen

    address = Address.read(text)
    access = Access.to(address, environment)
    listening = listen(address)
    pages = None if make_pages is None else make_pages()
    at = attrs.evolve(address, port=listening.getsockname()[1])
    told = f"http://{at}/" if pages else f"http://{at}/metrics"
    say(sys.stderr, f"{'dashboard' if pages else 'metrics for Prometheus'}: {told}\n")
    opened.add(listening, partial(_serve, listening, access, pages))
    return told


async def _serve(listening: socket.socket, access: "Access", pages: Sequence[str] | None, live: "Live") -> None:
    import trio

    from coval_load.report.dashboard.app import Dashboard
    from coval_load.report.dashboard.serving import run_of, serve
    from coval_load.report.dashboard.snapshot import Snapshots

    interrupts, results = live.interrupts, live.results
    snapshots = Snapshots(live.runner, results, live.plan.thresholds, lambda: interrupts.interrupted)
    live.pulses.feel(snapshots.feel)

    stopped_here = False

    def stop() -> None:
        nonlocal stopped_here
        if not interrupts.interrupted:
            stopped_here = True
            results.note(
                f"the run was stopped from the dashboard at {trio.current_time() - live.runner.started_at:.0f} s"
            )
            interrupts.stop()

    async def end() -> None:
        if pages is None:  # who only takes numbers must not take the last pulse from the page
            return
        snapshots.end(live.pulses.take())
        if stopped_here or not interrupts.interrupted:  # who pressed Ctrl-C waits for nothing
            await snapshots.show_end()

    name = str(results.clean(live.plan.name))
    run = run_of(name, live.folder.path.name, live.runner, results, snapshots, stop)
    page, sign_in = pages or (None, "")
    await serve(Dashboard(run, access, page, sign_in), listening, results.note, end)


async def _push(exporter: Any, live: "Live") -> None:
    import trio

    from coval_load.report.exports.measurements import measurements
    from coval_load.report.exports.otlp import push

    runner, results = live.runner, live.results
    resource = {
        "service.name": "coval-load",
        "coval_load.run": str(results.clean(live.plan.name)),
        "coval_load.folder": live.folder.path.name,
    }
    await push(
        exporter,
        lambda: measurements(results, running=runner.running, queued=runner.queued),
        resource,
        started_ns=int(live.started_utc.timestamp() * 1e9),
        elapsed_ns=lambda: int((trio.current_time() - runner.started_at) * 1e9),
        told=results.note,
    )
