"""Load generators side by side: the same work against the same agent, one after the other.

    python benchmarks/peers/compare.py [--work frames,chat,connections,http_chat] [--peers coval-load,locust,...]
        [--sessions 200] [--seconds 8] [--rounds 1] [--plain] [--json FILE]

Prints a table for each work. README.md in this folder says what is measured and how, and how to add a peer.
"""

import importlib.util
import json
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import click
from interface import WORKS, Peer
from measuring import AGENT_CORE, CORES, GENERATOR_CORE, Failed, Load, Measured, measure
from process_tree import adopt_orphans
from table import HEAD, OURS, as_json, row, title, verdict

HERE = Path(__file__).parent


def find_peers(folders: Sequence[Path]) -> dict[str, Peer]:
    """All that have a folder in one of these, ours first."""
    found: dict[str, Peer] = {}
    paths = [path for folder in folders for path in sorted(folder.glob("*/peer.py"))]
    for path in sorted(paths, key=lambda path: path.parent.name != "coval_load"):
        spec = importlib.util.spec_from_file_location(f"described_in_{path.parent.name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {peer.name: peer for peer in module.PEERS}
    return found


def chosen(asked: str, known: list[str], what: str) -> list[str]:
    """The names in a comma-separated list, in the order they are known in; all where it is empty."""
    names = [name.strip() for name in asked.split(",")] if asked else known
    for name in names:
        if name not in known:
            raise click.BadParameter(f"expected {what} of {', '.join(known)}, got {name!r}")
    return [name for name in known if name in names]


def compare(work: str, peers: list[Peer], load: Load, rounds: int) -> dict[str, Measured | str]:
    """Run them in turns, `rounds` times; a line for each as soon as its last is there, with the best of them."""
    print(f"\n{title(work, load.turns)}\n{HEAD}", flush=True)
    rows: dict[str, list[Measured | str]] = {peer.name: [] for peer in peers}
    results: dict[str, Measured | str] = {}
    for number in range(rounds):
        for peer in peers:
            rows[peer.name].append(result(peer, load))
            if number == rounds - 1:
                results[peer.name] = best(rows[peer.name])
                show(peer.name, results)
    if said := verdict(work, results):
        print(said, flush=True)
    return results


def best(rounds: Sequence[Measured | str]) -> Measured | str:
    """The cheapest, as all that a busy machine does is make it dearer, with the errors of all; a failure if any is."""
    failed = [found for found in rounds if isinstance(found, str)]
    if failed:
        return f"{failed[0]} ({len(failed)} of {len(rounds)} rounds)" if len(rounds) > 1 else failed[0]
    errors: Counter[str] = Counter()
    for measured in rounds:
        errors.update(measured.errors)
    return attrs.evolve(min(rounds, key=lambda measured: measured.cpu_a_unit_s), errors=dict(errors))


def show(name: str, results: Mapping[str, Measured | str]) -> None:
    found, ours = results[name], results.get(OURS)
    if isinstance(found, Measured):
        print(row(name, found, ours if isinstance(ours, Measured) else None), flush=True)
    else:
        print(f"{name:18}{found}", flush=True)


def result(peer: Peer, load: Load) -> Measured | str:
    """What was measured, or why nothing was."""
    if advice := peer.missing():
        return f"missing: {advice}"
    try:
        return measure(peer, load)
    except Failed as reason:
        return f"failed: {reason}"


@click.command()
@click.option("--work", default="", help="A comma-separated list; all of them by default.")
@click.option("--peers", "names", default="", help="A comma-separated list; all of them by default.")
@click.option("--sessions", default=200, show_default=True, help="Held at once.")
@click.option("--seconds", default=8.0, show_default=True, help="The window that is measured.")
@click.option("--settle", default=2.0, show_default=True, help="Seconds between the last connection and the window.")
@click.option("--turns", default=10, show_default=True, help="Messages in a conversation.")
@click.option("--rounds", default=1, show_default=True, help="In turns so many times; the cheapest is shown.")
@click.option("--plain", is_flag=True, help="Without TLS.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write what was measured to this file.")
@click.option("--more", type=click.Path(path_type=Path), multiple=True, help="A folder with further peers' folders.")
def main(
    work: str,
    names: str,
    sessions: int,
    seconds: float,
    settle: float,
    turns: int,
    rounds: int,
    plain: bool,
    json_file: Path | None,
    more: Sequence[Path],
) -> None:
    """Print a table for each work."""
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # What a shell begins in the background ignores SIGINT, and so would all peers, which inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    known = find_peers([HERE, *more])
    works = chosen(work, list(WORKS), "works")
    peers = [known[name] for name in chosen(names, list(known), "peers")]
    tls = "without TLS" if plain else "TLS 1.3, certificates verified, no resumption"
    cores = "one core for both" if len(CORES) == 1 else f"generator on core {GENERATOR_CORE}, agent on {AGENT_CORE}"
    print(f"{sessions} sessions, {seconds:g} s, {tls}; {cores}")
    for peer in peers:
        print(f"  {peer.name:18}{peer.about}")
    results = {}
    for each in works:
        able = [peer for peer in peers if each in peer.works and not (plain and peer.only_handshakes)]
        load = Load(each, sessions, seconds, settle_s=settle, turns=turns, use_tls=not plain)
        results[each] = compare(each, able, load, rounds)
    if json_file:
        json_file.write_text(json.dumps(as_json(results), indent=2) + "\n")
    # That others fail is a result; that ours does is a fault.
    sys.exit(any(isinstance(found_by_name.get(OURS), str) for found_by_name in results.values()))


if __name__ == "__main__":
    main()
