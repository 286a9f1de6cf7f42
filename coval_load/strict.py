"""Strict structuring: a user's document becomes frozen attrs classes, or a list of all that is wrong with it.

Built on cattrs' dispatch, with none of its conversions: a value has the stated type or it is a fault. Limits
stand in the annotations (`Annotated[str, Length(1, 200)]`; the markers are in `coval_load.limits`). A class
may have a static method `check(values)` for what holds between its fields; it gets those that structured
well, given or defaulted, and yields faults with paths relative to the class.
"""

import difflib
import enum
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
import cattrs

from coval_load.faults import Fault, Faulty
from coval_load.json_text import is_too_deep, too_deep_message
from coval_load.limits import Limit, NoNull, Reader, Secret, Tagged, Wrong, one_of, show, step

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


def structure(cls: type[T], raw: Any, path: str = "", redact: Callable[[Any], Any] = lambda value: value) -> T:
    """`raw` (what JSON, YAML or TOML gave) as an instance of the attrs class `cls`.

    `path` is where `raw` stands in the user's document. `redact` is applied to each value before a message
    shows it. Raises `Faulty` with every fault there is.
    """
    if is_too_deep(raw):
        raise Faulty([Fault(path, too_deep_message())])
    try:
        built: T = _CONVERTER.structure(raw, cls)
    except _Wrongs as wrongs:
        raise Faulty(wrong.fault(redact).under(path) for wrong in wrongs.found) from None
    return built


def keys_of(cls: type) -> tuple[str, ...]:
    """The keys that a document for the attrs class `cls` may have."""
    return tuple(field.name for field in attrs.fields(cls) if field.init)


class _Wrongs(Exception):
    def __init__(self, found: Sequence[Wrong]) -> None:
        super().__init__()
        self.found = found


def _refuse(expected: str, got: Any) -> _Wrongs:
    return _Wrongs([Wrong(expected, got)])


def _structure_at(where: str, value: Any, of: Any, found: list[Wrong]) -> Any:
    try:
        return _CONVERTER.structure(value, of)
    except _Wrongs as wrongs:
        found.extend(wrong.under(where) for wrong in wrongs.found)
        return None


def _class_hook(cls: Any) -> Hook:
    attrs.resolve_types(cls, include_extras=True)
    fields = {field.name: field for field in attrs.fields(cls) if field.init}
    types_of = {name: field.type for name, field in fields.items()}
    check: Callable[[Mapping[str, Any]], Iterator[Fault]] | None = getattr(cls, "check", None)

    def structure_class(raw: Any, _: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise _refuse("an object", raw)
        found = list(_unknown_keys(raw, fields))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if raw.get(name) is None and field.default is not attrs.NOTHING and not _refuses_null(field, raw):
                continue
            if name not in raw:
                found.append(Wrong(_describe(types_of[name]), Wrong.NOTHING, step(name)))
                continue
            before = len(found)
            value = _structure_at(step(name), raw[name], types_of[name], found)
            if len(found) == before:
                values[name] = value
        if check is not None:
            found.extend(Wrong.of(fault) for fault in check(_defaulted(values, raw, fields)))
        if found:
            raise _Wrongs(found)
        return cls(**values)

    return structure_class


def _refuses_null(field: "attrs.Attribute[Any]", raw: Mapping[str, Any]) -> bool:
    return field.name in raw and any(isinstance(marker, NoNull) for marker in get_args(field.type)[1:])


def _defaulted(
    values: Mapping[str, Any], raw: Mapping[str, Any], fields: Mapping[str, "attrs.Attribute[Any]"]
) -> Mapping[str, Any]:
    absent = [field for field in fields.values() if raw.get(field.name) is None]
    plain = {field.name: field.default for field in absent if field.default is not attrs.NOTHING}
    return {name: value for name, value in plain.items() if not isinstance(value, _FACTORY)} | dict(values)


_FACTORY: type = type(attrs.Factory(list))


def _unknown_keys(raw: Mapping[Any, Any], known: Mapping[str, Any]) -> Iterator[Wrong]:
    for key in raw:
        if not isinstance(key, str):
            yield Wrong.of(Fault("", f"expected every key to be a string; got the key {show(key)}"))
        elif key not in known:
            near = difflib.get_close_matches(key, known, n=2, cutoff=0.65) or _ending_in(key, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"expected {one_of(known)}"
            yield Wrong.of(Fault(step(key), f"unknown key; {hint}"))


def _ending_in(key: str, known: Iterable[str]) -> list[str]:
    ending = [name for name in known if key and name.endswith(f"_{key}")]
    return ending if len(ending) <= 2 else []


def _annotated_hook(of: Any) -> Hook:
    base, *markers = get_args(of)
    is_secret = any(isinstance(marker, Secret) for marker in markers)

    def structure_annotated(raw: Any, _: Any) -> Any:
        try:
            return _read(raw, base, markers)
        except _Wrongs as wrongs:
            raise _Wrongs([wrong.hidden() for wrong in wrongs.found] if is_secret else wrongs.found) from None

    return structure_annotated


def _read(raw: Any, base: Any, markers: Sequence[Any]) -> Any:
    for marker in markers:
        if isinstance(marker, Tagged):
            base = _tagged(raw, base, marker.key)
        if isinstance(marker, Reader):
            read = marker.read(raw)
            if isinstance(read, Wrong):
                raise _Wrongs([read])
            raw = read
    value = _CONVERTER.structure(raw, base)
    for marker in markers:
        # The first limit that is broken is told; as written, not as converted (`0`, not `0.0`).
        if isinstance(marker, Limit) and (wrongs := list(marker.wrongs(value))):
            raise _Wrongs([attrs.evolve(w, got=raw) if w.got is value else w for w in wrongs])
    return value


def _tagged(raw: Any, union: Any, key: str) -> Any:
    if not isinstance(raw, Mapping):
        raise _refuse("an object", raw)
    by_tag = {get_args(attrs.fields_dict(cls)[key].type)[0]: cls for cls in get_args(union)}
    tag = raw.get(key)
    if not isinstance(tag, str) or tag not in by_tag:
        raise _Wrongs([Wrong(one_of(by_tag), Wrong.NOTHING if tag is None else tag, step(key))])
    return by_tag[tag]


def _list_hook(of: Any) -> Hook:
    item = get_args(of)[0]

    def structure_list(raw: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(raw, list | tuple):
            raise _refuse("a list", raw)
        found: list[Wrong] = []
        items = tuple(_structure_at(f"[{at}]", value, item, found) for at, value in enumerate(raw))
        if found:
            raise _Wrongs(found)
        return items

    return structure_list


def _mapping_hook(of: Any) -> Hook:
    key_type, item = get_args(of)

    def structure_mapping(raw: Any, _: Any) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise _refuse("an object", raw)
        found: list[Wrong] = []
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if isinstance(key, str):
                _structure_at(step(key), key, key_type, found)
                values[key] = _structure_at(step(key), value, item, found)
            else:
                found.append(Wrong("every key to be a string", key))
        if found:
            raise _Wrongs(found)
        return values

    return structure_mapping


def _union_hook(of: Any) -> Hook:
    alternatives = [alternative for alternative in get_args(of) if alternative is not types.NoneType]

    def structure_union(raw: Any, _: Any) -> Any:
        if raw is None and len(alternatives) < len(get_args(of)):
            return None
        expected = []
        for alternative in alternatives:
            try:
                return _CONVERTER.structure(raw, alternative)
            except _Wrongs as wrongs:
                # A fault that is not about the outermost type means that the type was this alternative's.
                if len(alternatives) == 1 or any(wrong.path or wrong.message for wrong in wrongs.found):
                    raise
                expected.append(wrongs.found[0].expected)
        raise _refuse(" or ".join(dict.fromkeys(expected)), raw)

    return structure_union


def _choice_hook(of: Any) -> Hook:
    choices = _choices(of)

    def structure_choice(raw: Any, _: Any) -> Any:
        for choice in choices:
            # `1 == True` and `1 == 1.0` hold; here they are different values.
            plain = choice.value if isinstance(choice, enum.Enum) else choice
            if type(raw) is type(plain) and raw == plain:
                return choice
        near = difflib.get_close_matches(raw, map(str, choices), n=1) if isinstance(raw, str) else []
        hint = f" (did you mean {near[0]}?)" if near and len(choices) > 2 else ""
        raise _refuse(one_of(choices) + hint, raw)

    return structure_choice


def _structure_float(raw: Any, _: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _refuse("a number", raw)
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _refuse("a finite number", raw)
    return number


def _exactly(of: type) -> Hook:
    def structure_exactly(raw: Any, _: Any) -> Any:
        if type(raw) is not of:
            raise _refuse(_describe(of), raw)
        if isinstance(raw, str) and not _is_unicode(raw):
            raise _refuse("text that can be written in UTF-8", Wrong.UNSEEN)
        return raw

    return structure_exactly


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _structure_json(raw: Any, _: Any) -> Any:
    if isinstance(raw, Mapping):
        return _structure_object(raw, Any)
    if isinstance(raw, list | tuple):
        return list(_structure_items(raw, Any))
    if isinstance(raw, float):
        return _structure_float(raw, float)
    if raw is None or type(raw) in (str, int, bool):
        return raw
    raise _refuse("a JSON value (a date goes in quotes)", raw)


_WORDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false", Any: "a JSON value"}


def _describe(of: Any) -> str:
    """What is expected, in words, where there is no value whose structuring could say so."""
    base = get_args(of)[0] if get_origin(of) is Annotated else of
    markers = get_args(of)[1:] if get_origin(of) is Annotated else ()
    for marker in markers:
        if isinstance(marker, Reader | Limit) and marker.expected:
            return marker.expected
    if _is_choice(base):
        return one_of(_choices(base))
    if _is_union(base):
        return " or ".join(_describe(a) for a in get_args(base) if a is not types.NoneType)
    if get_origin(base) is Sequence:
        return "a list"
    return _WORDS.get(base, "an object")


_structure_object = _mapping_hook(Mapping[str, Any])
_structure_items = _list_hook(Sequence[Any])


def _choices(of: Any) -> list[Any]:
    return list(get_args(of)) or list(of)


def _is_choice(of: Any) -> bool:
    return get_origin(of) is Literal or (isinstance(of, type) and issubclass(of, enum.Enum))


def _is_union(of: Any) -> bool:
    return get_origin(of) in (Union, types.UnionType)


def _is_made_of(origin: Any) -> Callable[[Any], bool]:
    return lambda of: get_origin(of) is origin


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    # By class, since cattrs looks among its own hooks for these classes before it asks any predicate.
    for of in (str, int, bool):
        converter.register_structure_hook(of, _exactly(of))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(enum.StrEnum, lambda raw, of: _choice_hook(of)(raw, of))
    converter.register_structure_hook_func(lambda of: of is Any, _structure_json)
    converter.register_structure_hook_factory(_is_made_of(Sequence), _list_hook)
    converter.register_structure_hook_factory(_is_made_of(Mapping), _mapping_hook)
    converter.register_structure_hook_factory(_is_made_of(Literal), _choice_hook)
    converter.register_structure_hook_factory(_is_union, _union_hook)
    converter.register_structure_hook_factory(lambda of: isinstance(of, type) and attrs.has(of), _class_hook)
    converter.register_structure_hook_factory(_is_made_of(Annotated), _annotated_hook)
    return converter


_CONVERTER = _make_converter()
