"""From a connect-an-agent body as written to an `Agent`, or to every fault in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from coval_load.agents.addresses import Purpose, Targets, check_url, upgraded
from coval_load.agents.body import Agent, Body
from coval_load.agents.environment import Expanded, expand
from coval_load.agents.model_types import ModelType
from coval_load.agents.secrets import Redactor, secrets_of
from coval_load.faults import Fault, Faulty
from coval_load.json_text import read_json
from coval_load.limits import one_of
from coval_load.strict import structure


def no_checks(agent: Agent) -> Iterable[Fault]:
    """No faults: what stands where nobody asks the protocols."""
    return ()


def load_agent(
    raw: Any,
    *,
    options: Mapping[str, type],
    targets: Targets,
    environ: Mapping[str, str],
    path: str = "",
    name: str | None = None,
    checks: Callable[[Agent], Iterable[Fault]] = no_checks,
) -> Agent:
    """The agent that `raw`, a connect-an-agent body, describes.

    `options` says which class reads `metadata` of which model type; a model type that isn't in it can't be
    simulated yet. `name` is the agent's name in results; without one it is the display name. `checks` finds
    what only the protocols know; it is asked where nothing else is wrong, and its paths are relative to the
    body. Raises `Faulty` with every fault, each under `path`; no message shows a secret.
    """
    expanded = expand(raw, environ)
    hide = Redactor(expanded.secrets, shortest=1)
    found: list[Fault] = list(expanded.faults)
    body = _structured(Body, expanded.value, "", hide, found)
    settled = _options(expanded.value, options, hide, found)
    found += _url_faults(expanded.value, options, targets)
    if not found and body is not None:
        agent = _agent(body, _upgraded(settled, targets), name, expanded)
        found += checks(agent)
        redactor = Redactor(agent.secrets)
        if not found:
            return agent
    else:
        redactor = Redactor(expanded.secrets)
    unset = {fault.path for fault in expanded.faults}
    kept = [fault for fault in found if fault in expanded.faults or fault.path not in unset]
    raise Faulty(Fault(fault.path, redactor.text(fault.message)).under(path) for fault in dict.fromkeys(kept))


def _agent(body: Body, settled: Any, name: str | None, expanded: Expanded) -> Agent:
    agent = Agent(name or body.display_name, body, settled, expanded.secrets, expanded.places)
    return attrs.evolve(agent, secrets=secrets_of(agent))


def _structured(cls: type, raw: Any, path: str, hide: Redactor, found: list[Fault]) -> Any:
    try:
        return structure(cls, raw, path, hide.clean)
    except Faulty as faulty:
        found += faulty.faults
        return None


def _options(raw: Any, options: Mapping[str, type], hide: Redactor, found: list[Fault]) -> Any:
    model_type = raw.get("model_type") if isinstance(raw, dict) else None
    if not isinstance(model_type, str) or model_type not in list(ModelType):
        return None
    cls = options.get(model_type)
    if cls is None:
        what = ModelType(model_type).description
        found.append(
            Fault(
                "model_type",
                f"expected {one_of(map(str, options))}; {model_type} ({what}) can't be simulated yet",
            )
        )
        return None
    metadata = _metadata(raw)
    return None if metadata is None else _structured(cls, metadata, "metadata", hide, found)


def _metadata(raw: Mapping[str, Any]) -> Any:
    """`metadata` where it is an object; where it is not, the body's own fault says so."""
    metadata = raw.get("metadata")
    if metadata is None:
        return {}
    if isinstance(metadata, str):
        try:
            metadata = read_json(metadata)
        except ValueError:
            return None
    return metadata if isinstance(metadata, dict) else None


def _upgraded(settled: Any, targets: Targets) -> Any:
    """The options with their URLs as they are dialled."""
    written = {key: getattr(settled, key) for key in _urls_of(settled)}
    changes = {key: upgraded(url, _urls_of(settled)[key], targets) for key, url in written.items() if url}
    return settled if changes.items() <= written.items() else attrs.evolve(settled, **changes)


def _urls_of(options: Any) -> Mapping[str, Purpose]:
    """Which keys of an options class, or of an instance of one, are URLs, and of what kind."""
    urls: Mapping[str, Purpose] = getattr(options, "URLS", {})
    return urls


def _url_faults(raw: Any, options: Mapping[str, type], targets: Targets) -> Iterator[Fault]:
    if not isinstance(raw, dict) or not isinstance(raw.get("model_type"), str):
        return
    for key, purpose in _urls_of(options.get(raw["model_type"])).items():
        url = (_metadata(raw) or {}).get(key)
        reason = check_url(url, purpose, targets) if isinstance(url, str) and url else None
        if reason:
            yield Fault(f"metadata.{key}", reason)
