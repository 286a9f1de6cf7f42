"""What must be shown nowhere, and how it is kept out of everything that is shown."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import attrs

from coval_load.agents.authorization import credentials_of
from coval_load.agents.body import Agent
from coval_load.agents.environment import Steps
from coval_load.json_text import read_json

MASK = "***"
SHORTEST = 4
SHORTEST_CUT = 6
DEEPEST = 200

_AFTER_A_CUT = "…'\")\ufffd"
_SHORTEST_EXCERPT = 80
"""A shorter text was not cut: it may well begin a secret, as an agent's name does a token with it in it."""

_HEADERS = ("custom_headers", "http_headers")
_OF_FUNCTIONS = ("functionDeclarations", "function_declarations", "parameters")
_AUTHORIZATIONS = ("authorization_header", "authentication_token")
_SECRET_ENDINGS = (
    "apikey", "apikeystring", "clientsecret", "accesstoken", "refreshtoken", "authtoken", "authenticationtoken",
    "password",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_UNQUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|(\{\{[^{}"\\]*\}\})', re.DOTALL)


class Redactor:
    """Replaces every known secret by `***`, also inside longer text.

    A secret is recognised as it is, as JSON escapes it and as a URL quotes it; longer ones go first, so that
    one that holds another is replaced as a whole. Texts shorter than `SHORTEST` characters are not looked
    for: a secret `1` would turn every number into asterisks and hide nothing. They are masked where they
    stand, by `masked`. Where a long text was cut short within a secret, what is left of it goes too, from
    `SHORTEST_CUT` characters on.
    """

    def __init__(self, secrets: Collection[str], shortest: int = SHORTEST) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(secret) >= shortest}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._cuttable = [form for form in longest_first if len(form) > SHORTEST_CUT]
        heads = {re.escape(form[:SHORTEST_CUT]) for form in self._cuttable}
        self._heads = re.compile("|".join(sorted(heads))) if heads else None

    def __repr__(self) -> str:
        return "Redactor()"

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is None:
            return text
        return self._without_cut(self._pattern.sub(MASK, text), is_excerpt=len(text) >= _SHORTEST_EXCERPT)

    def _without_cut(self, text: str, *, is_excerpt: bool) -> str:
        if self._heads is None:
            return text
        parts, done = [], 0
        for head in self._heads.finditer(text):
            start = head.start()
            ends = [_alike(form, text, start) for form in self._cuttable if form.startswith(head[0])]
            if start >= done and _is_cut(text, max(ends), is_excerpt):
                parts += [text[done:start], MASK]
                done = max(ends)
        return "".join(parts) + text[done:]

    def clean(self, value: Any) -> Any:
        """A JSON value without secrets, in keys too; what nests deeper than `DEEPEST` becomes `***`."""
        return self._clean(value, 0) if self._pattern else value

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, dict | list | tuple):
            return value
        if depth >= DEEPEST:
            return MASK
        if isinstance(value, dict):
            return {self._clean(key, depth): self._clean(child, depth + 1) for key, child in value.items()}
        return [self._clean(child, depth + 1) for child in value]


def _alike(form: str, text: str, start: int) -> int:
    """Up to where `text`, from `start` on, says the same as `form`."""
    there = text[start : start + len(form)]
    return start + next(
        (at for at, pair in enumerate(zip(form, there, strict=False)) if len(set(pair)) > 1), len(there)
    )


def _is_cut(text: str, end: int, is_excerpt: bool) -> bool:
    """Whether an excerpt seems to end there: an ellipsis, a quote, a bracket, half a character or nothing follows."""
    return text[end] in _AFTER_A_CUT if end < len(text) else is_excerpt


def _forms(secret: str) -> set[str]:
    escaped = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    quotable = secret.encode("utf-8", "surrogatepass")
    quoted = (quote(quotable), quote(quotable, safe=""), quote_plus(quotable))
    # As repr shows each of them in an excerpt; it escapes quotes of one kind where there are both.
    doubled = [form.replace("\\", "\\\\") for form in (secret, *escaped)]
    in_quotes = [form.replace("'", "\\'") for form in doubled]
    return {secret, *escaped, *quoted, *doubled, *in_quotes}


def secrets_of(agent: Agent) -> frozenset[str]:
    """Every secret text of `agent`, those that came out of the environment included."""
    return frozenset(text for text in _secrets_of(agent) if text)


def _secrets_of(agent: Agent) -> Iterator[str]:
    yield from agent.secrets
    options = _plain(agent.options)
    for key in _AUTHORIZATIONS:
        yield from credentials_of(options.get(key) or "")
    for value in _header_values(options):
        yield from _header_secrets(value)
    yield from keyed_secrets([options, *_templates(options)])
    yield from keyed_secrets(attrs.asdict(agent.body))
    known = {"agent": agent.attributes, "custom_data": options.get("custom_data")}
    yield from _put_in(_names_in_secrets(options), known)
    for url in (options.get("endpoint"), options.get("http_url"), agent.body.endpoint):
        yield from _url_secrets(url or "")


def filled_secrets(
    agent: Agent, test_cases: Iterable[Mapping[str, Any]], personas: Iterable[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """What a header such as `Bearer {{test_case.token}}`, or a secret of a payload, is filled with: secrets, too.

    `test_cases` are their attributes, `personas` their initialization parameters.
    """
    names = tuple(_names_in_secrets(_plain(agent.options)))
    for attributes in test_cases:
        yield from _put_in(names, {"test_case": attributes})
    for parameters in personas:
        yield from _put_in(names, {"persona": parameters})


def _header_values(options: Mapping[str, Any]) -> Iterator[str]:
    for key in _HEADERS:
        yield from (options.get(key) or {}).values()
    yield from _tool_credentials(options.get("tools") or ())


def _tool_credentials(tools: Any) -> Iterator[str]:
    """What a realtime API is given to reach other servers with, as in a tool of type `mcp`."""
    if isinstance(tools, list | tuple):
        for tool in tools:
            yield from _tool_credentials(tool)
    elif isinstance(tools, Mapping):
        for key, child in tools.items():
            if key in ("authorization", "headers"):
                yield from _texts(child)
            elif key not in _OF_FUNCTIONS:
                yield from _tool_credentials(child)


def _templates(options: Mapping[str, Any]) -> Iterator[Any]:
    """What templates of JSON text are with something in their placeholders."""
    for text in options.values():
        if isinstance(text, str) and text.lstrip().startswith("{"):
            try:
                yield read_json(_UNQUOTED.sub(_quote_placeholder, text))
            except ValueError:
                continue


def _quote_placeholder(found: re.Match[str]) -> str:
    return f'"{found[1]}"' if found[1] else found[0]


def _names_in_secrets(options: Mapping[str, Any]) -> Iterator[str]:
    values = [*_header_values(options), *_texts_under_keys([options, *_templates(options)])]
    yield from (name for value in values for name in _PLACEHOLDER.findall(value))


def _header_secrets(value: str) -> Iterator[str]:
    if _PLACEHOLDER.search(value):
        # It is filled for each simulation: what stays the same of it is a secret.
        yield from _literals(_PLACEHOLDER.sub("{{}}", value).partition(" ")[2] or value)
    else:
        # Credentials in a header are looked for without their scheme, too.
        yield from (value, *credentials_of(value)) if " " in value else (value,)


def _literals(text: str) -> Iterator[str]:
    yield from (literal.strip() for literal in _PLACEHOLDER.split(text)[::2])


def _put_in(names: Iterable[str], values: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        found: Any = values
        for key in name.strip().split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        yield from _texts(found)


def keyed_secrets(value: Any) -> Iterator[str]:
    """Every text under a key that says it is a secret, at any depth of a JSON value; of a template, what is fixed."""
    for text in _texts_under_keys(value):
        yield from _literals(text) if _PLACEHOLDER.search(text) else (text,)


def _texts_under_keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _texts(child) if is_secret_key(key) else _texts_under_keys(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _texts_under_keys(child)


def is_secret_key(key: str) -> bool:
    """Whether the value under `key` is a secret by its name: how it ends, however that is spelled."""
    return key.lower().replace("-", "").replace("_", "").endswith(_SECRET_ENDINGS)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _texts(child)


def _url_secrets(url: str) -> Iterator[str]:
    try:
        pairs = parse_qsl(urlsplit(url).query)
    except ValueError:
        return
    yield from (value for key, value in pairs if is_secret_key(key))


def masked(agent: Agent) -> dict[str, Any]:
    """The body as resolved (`metadata` with every default filled in), with `***` for secrets."""
    body = _plain(agent.body) | {"metadata": _plain(agent.options)}
    shown: dict[str, Any] = mask(body, secrets_of(agent), agent.hidden)
    return {key: value for key, value in shown.items() if value is not None}


def mask(document: Any, secrets: Collection[str], hidden: Collection[Steps]) -> Any:
    """A JSON document with `***` for `secrets`, for what stands at `hidden`, and for what its key makes one."""
    return Redactor(secrets).clean(mask_at(_mask_structure(document), hidden))


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(attrs.asdict(value)))
    return plain


def _mask_structure(value: Any) -> Any:
    if isinstance(value, list):
        return [_mask_structure(child) for child in value]
    if not isinstance(value, dict):
        return value
    return {key: _mask_under(key, child) for key, child in value.items()}


def _mask_under(key: str, child: Any) -> Any:
    if key in _HEADERS and isinstance(child, dict):
        return dict.fromkeys(child, MASK)
    if child is not None and (key == "authorization_header" or is_secret_key(key)):
        return MASK
    return _mask_structure(child)


def mask_at(document: Any, places: Collection[Steps]) -> Any:
    """`document`, JSON, with `***` in place of whatever stands at each of `places`.

    A place that leads into what is one value here (a template, say, given as an object) masks that value.
    """
    ways: dict[Any, Any] = {}
    for place in places:
        way = ways
        for step in place:
            way = way.setdefault(step, {})
        way[_HERE] = True
    return _mask_ways(document, ways)


_HERE = object()


def _mask_ways(value: Any, ways: Mapping[Any, Any]) -> Any:
    if _HERE in ways or (ways and not isinstance(value, dict | list)):
        return value if value is None else MASK
    if isinstance(value, dict):
        return {key: _mask_ways(child, ways[key]) if key in ways else child for key, child in value.items()}
    if isinstance(value, list) and ways:
        return [_mask_ways(child, ways[at]) if at in ways else child for at, child in enumerate(value)]
    return value
