"""YAML read strictly: the core schema of YAML 1.2, each key once, no alias that expands without end."""

import re
from typing import Any

import yaml

from coval_load.json_text import DEEPEST, too_deep_message

_TAG = "tag:yaml.org,2002:"
MOST_NODES = 1_000_000
"""How many values a document may have once its aliases are written out."""


def read_yaml(text: str) -> Any:
    """The value of a YAML document.

    `no`, `on` and dates are text and `010` is ten, as YAML 1.2 has it. Raises ValueError where `text` is not
    one document, has a key twice in one object, nests or expands too far; the message has line and column.
    """
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or error.context}{where}") from None
    except yaml.reader.ReaderError as error:
        raise ValueError(f"{error.reason} (character {error.position + 1})") from None


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.nodes = 0
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self.nodes
        self.depth += 1
        self.nodes += 1
        if self.depth > DEEPEST:
            raise _error(too_deep_message(), event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self.sizes:
                raise _error(f"expected no alias inside of what it stands for; got *{event.anchor}", event.start_mark)
            self.nodes += self.sizes[id(node)]
        else:
            self.sizes[id(node)] = self.nodes - before
        if self.nodes > MOST_NODES:
            raise _error(f"expected at most {MOST_NODES} values, aliases written out; got more", event.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        # Here, before merges (`<<`) are written out: a merged key may be given again.
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
                if (key.tag, key.value) in seen:
                    raise _error(f"expected each key once; got {key.value!r} twice in one object", key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def construct_core_bool(self, node: Any) -> bool:
        text = self.construct_scalar(node).lower()
        if text not in ("true", "false"):
            raise _error("expected true or false", node.start_mark)
        return bool(text == "true")

    def construct_core_int(self, node: Any) -> int:
        text = self.construct_scalar(node)
        radix = {"0x": 16, "0o": 8}.get(text[:2], 10)
        if len(text) > 100:
            raise _error("expected a number of at most 100 digits; got more", node.start_mark)
        return int(text if radix == 10 else text[2:], radix)

    def construct_core_float(self, node: Any) -> float:
        return float(self.construct_scalar(node).replace(".inf", "inf").replace(".nan", "nan"))


def _error(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


# YAML 1.2.2, section 10.3.2: how a plain scalar is told apart.
_CORE = (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
    ("merge", r"<<", ["<"]),
)
_Loader.yaml_implicit_resolvers = {}
for _name, _regex, _first in _CORE:
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_regex})$"), _first)
# Tags that stand for anything but JSON values (dates, sets, bytes) are unknown here.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "str", "seq", "map")
}
_Loader.add_constructor(f"{_TAG}bool", _Loader.construct_core_bool)
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_core_int)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_core_float)
