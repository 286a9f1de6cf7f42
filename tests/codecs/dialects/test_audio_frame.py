"""Audio known at a glance is what parsing would have found, whatever an agent sends before and after it."""

import base64
import json

import attrs
import pybase64
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from coval_load.codecs.dialects.audio_frame import UNKNOWN, AudioFrame, AudioFrames
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat
from coval_load.codecs.events import AudioReceived

MONO = WebSocketVoiceFormat(receive_audio_channels=1)
STEREO = WebSocketVoiceFormat()
NESTED = attrs.evolve(
    MONO, message_type_path="event", audio_message_type_value="media", audio_data_path="media.payload"
)
FORMATS = {
    "mono": MONO,
    "stereo": STEREO,
    "nested data": NESTED,
    "mu-law": attrs.evolve(NESTED, audio_encoding="ulaw"),
    "data in a list": attrs.evolve(MONO, audio_data_path="media.0"),
    "nested type": attrs.evolve(MONO, message_type_path="media.type"),
    "type and data are one": attrs.evolve(MONO, audio_data_path="type"),
    "the type's letters are audio": attrs.evolve(MONO, audio_data_path="type", audio_message_type_value="AAAA"),
    "the whole message": attrs.evolve(MONO, audio_data_path=""),
    "no type": attrs.evolve(MONO, message_type_path="", audio_message_type_value="*"),
    "any type": attrs.evolve(MONO, audio_message_type_value="*"),
    "the probe's key": attrs.evolve(MONO, audio_data_path="QUJD"),
    "ready and events": attrs.evolve(
        MONO, handshake_ready_message_type="ready", non_audio_event_message_types=("media", "AAAA")
    ),
    "audio is ready": attrs.evolve(MONO, handshake_ready_message_type="audio_chunk"),
    "audio is an event": attrs.evolve(MONO, non_audio_event_message_types=("audio_chunk",)),
    "mp3": attrs.evolve(MONO, audio_encoding="mp3"),
}

LEARNT = ["mono", "stereo", "nested data", "mu-law", "data in a list", "the probe's key", "ready and events"]
"""The formats with audio that is known at a glance; the others ask for more."""

HOLE = "\0"
KEYS = ["type", "data", "media", "payload", "event", "QUJD", "x", "", "AAAA"]
WORDS = ["audio_chunk", "media", "ready", "*", "QUJD", "data", '"', "\\", '","data":"', "é", "\U0001f3a7", "/+/+"]
SOUNDS = ["", "AAAA", "QUJD", "data", "type", "AQACAAMA", "AQA=", "AQACAA==", "/+/+", "media", "////" * 12]
NEARLY = [
    "AQ",
    "AQ=",
    "A",
    "====",
    "AQACAA=",
    "-_-_",
    "AA AA",
    "AAAA\n",
    "=AAA",
    "AQ==AQAC",
    "AAAAé",
    '"',
    "\\u0041AAA",
    "é",
]


def written(text, how):
    """A JSON string: plain, with one of its letters escaped, or all of them."""
    if how == "plain":
        return json.dumps(text, ensure_ascii=False)
    if how == "slashes":
        return json.dumps(text).replace("/", "\\/")
    letters = [f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else letter for letter in text]
    kept = len(text) // 2 if how == "one" else -1
    return (
        '"'
        + "".join(
            json.dumps(a)[1:-1] if at != kept and kept >= 0 else b
            for at, (a, b) in enumerate(zip(text, letters, strict=True))
        )
        + '"'
    )


styles = st.sampled_from(["plain", "plain", "plain", "plain", "slashes", "one", "all"])
strings = st.builds(written, st.sampled_from(WORDS + SOUNDS), styles)
keys = st.builds(written, st.sampled_from(KEYS), styles)
hole = st.just(f'"{HOLE}"')
spaces = st.sampled_from(["", "", "", " ", "\n\t "])
leaves = st.one_of(hole, hole, strings, st.sampled_from(["1", "1e3", "null", "true", "0.5"]))


def joined(opening, items, closing, space):
    return f"{space}{opening}{space}" + f"{space},{space}".join(items) + f"{space}{closing}{space}"


def objects(values, names=keys):
    members = st.builds(lambda key, value, space: f"{key}{space}:{value}", names, values, spaces)
    return st.builds(lambda items, space: joined("{", items, "}", space), st.lists(members, max_size=5), spaces)


def lists(values):
    return st.builds(lambda items, space: joined("[", items, "]", space), st.lists(values, max_size=3), spaces)


values = st.recursive(leaves, lambda inner: objects(inner) | lists(inner), max_leaves=5)


def members_of(key, value):
    return st.builds(
        lambda name, found, space: f"{name}{space}:{found}", st.builds(written, st.just(key), styles), value, spaces
    )


media = st.builds(
    lambda items, space: joined("{", items, "}", space),
    st.lists(
        members_of("payload", hole) | members_of("type", strings) | members_of("x", leaves), min_size=1, max_size=3
    ),
    spaces,
)
likely = st.one_of(
    members_of(
        "type", st.builds(written, st.sampled_from(["audio_chunk", "audio_chunk", "media", "*", "ready"]), styles)
    ),
    members_of("event", st.just('"media"')),
    members_of("data", hole),
    members_of("data", strings),
    members_of("QUJD", hole),
    members_of("media", media),
    members_of("media", lists(leaves)),
    st.builds(lambda key, value: f"{key}:{value}", keys | strings, values),
    st.just(f'"{HOLE}":"x"'),
)
AUDIO = {
    NESTED: ['"event":"media"', f'"media":{{"payload":"{HOLE}"}}'],
    FORMATS["mu-law"]: ['"event":"media"', f'"media":{{"type":"audio_chunk","payload":"{HOLE}"}}'],
    FORMATS["data in a list"]: ['"type":"audio_chunk"', f'"media":["{HOLE}"]'],
    FORMATS["nested type"]: ['"media":{"type":"audio_chunk"}', f'"data":"{HOLE}"'],
    FORMATS["the probe's key"]: ['"type":"audio_chunk"', f'"QUJD":"{HOLE}"'],
}
"""What makes a message audio, where that is not what it is for most."""


def shapes_for(form):
    """Messages with holes for audio: what is audio with this and that beside it, before or behind, or anything."""
    audio = AUDIO.get(form, ['"type":"audio_chunk"', f'"data":"{HOLE}"'])
    beside = st.lists(likely, max_size=3).flatmap(lambda items: st.permutations([*audio, *items]))
    near = st.builds(lambda items, space: joined("{", items, "}", space), beside, spaces)
    plain = st.just(joined("{", audio, "}", ""))
    return st.one_of(plain, plain, near, near, near, values)


def spoilt(payload, how, at, byte):
    at %= len(payload) + 1
    match how:
        case "changed":
            return payload[:at] + bytes([byte]) + payload[at + 1 :]
        case "put in":
            return payload[:at] + bytes([byte]) + payload[at:]
        case "cut":
            return payload[:at]
        case "appended":
            return payload + bytes([byte])
    return payload


spoils = st.tuples(
    st.sampled_from(["as it is"] * 12 + ["changed", "put in", "cut", "appended"]),
    st.integers(0, 300),
    st.sampled_from(list(b'"\\,:{}[]= A/-_\n\0\xc3\xff')) | st.integers(0, 255),
)
sounds = st.one_of(st.sampled_from(SOUNDS), st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode()))
data = st.one_of(*[sounds] * 5, st.sampled_from(NEARLY))


@st.composite
def talks(draw):
    """A format, and messages that mostly are alike but for their audio and what is wrong with them; some are binary."""
    name = draw(st.sampled_from([*FORMATS, *LEARNT, *LEARNT]))
    said = []
    for shape in draw(st.lists(shapes_for(FORMATS[name]), min_size=1, max_size=3)):
        for spoil, sound in draw(st.lists(st.tuples(spoils, data), min_size=1, max_size=6)):
            said.append((spoilt(shape.replace(HOLE, sound).encode(), *spoil), True))
        said += draw(st.just([]) | st.just([(b"\1\2\3", False)]))
    return name, said


def heard(form, messages, *, at_a_glance):
    """What each message comes to, and how many of them were known at a glance."""
    voice, known, told = form.open({}), 0, []
    for payload, is_text in messages:
        pcm = voice.plain_audio(payload, is_text) if at_a_glance else None
        if pcm is None:
            told.append(tuple(voice.decode(payload, is_text)))
        else:
            known += 1
            told.append((AudioReceived(pcm),) if pcm else ())
    return told, known


def agree(form, messages):
    short, known = heard(form, messages, at_a_glance=True)
    assert short == heard(form, messages, at_a_glance=False)[0]
    return known


def message(before, sound, after):
    return (f"{before}{sound}{after}".encode(), True)


# Each shows audio in one place and base64 like it in another; what lies there in the next message is no audio.
IN_A_KEY = [message(r'{"d\u0061ta":"QUJD","type":"audio_chunk","', key, r'":"d\u0061ta"}') for key in ("data", "AAAA")]
ACROSS_STRINGS = [
    message(r'{"data":"QUJD","type":"audio_chunk","x":"', x, r'u0022,\u0022data\u0022:\u0022\\"}')
    for x in (r'k","data":"' + "\\", "kAAAA")
]
ACROSS_OBJECTS = [
    message(
        '{"event":"media","media":{"payload":"QUJD"},"a":{"x":"k',
        x,
        r'","payload":"\u0022},\u0022media\u0022:{\u0022c\u0022:\u0022"}}',
    )
    for x in ('"},"media":{"c":"', "AAAA")
]
THE_PROBE = [message(r'{"type":"audio_chunk","data":"\u0051UJD","x":"', x, '"}') for x in ("QUJD", "AAAA")]
ESCAPED = [message('{"type":"audio_chunk","x":"', x, r'","data":"\u0041QACAAMA"}') for x in ("AQACAAMA", "AAAA")]
TWICE = [message('{"type":"audio_chunk","data":"', x, '","data":"QUJD"}') for x in ("AQAC", "QUJD", "AAAA")]
TYPE = [message('{"data":"audio_chunk","x":"QUJD","type":"', x, '"}') for x in ("audio_chunk", "QUJD", "AAAA")]
LATER_TYPE = [message('{"type":"audio_chunk","data":"', x, '"}') for x in ("AQAC", 'AAAA","type":"ready', "AQAC")]


@given(talks())
@example(("mono", IN_A_KEY))
@example(("mono", ACROSS_STRINGS))
@example(("nested data", ACROSS_OBJECTS))
@example(("mono", THE_PROBE))
@example(("the type's letters are audio", [message('{"type":"', x, '"}') for x in ("AAAA", "QUJD", "BBBB")]))
@example(("mono", ESCAPED))
@example(("mono", TWICE))
@example(("mono", TYPE))
@example(("the probe's key", [message('{"type":"audio_chunk","', x, '":"QUJE"}') for x in ("QUJD", "QUJE")]))
@example(("ready and events", LATER_TYPE))
@example(
    ("mono", [message('{"type":"audio_chunk","data":"', x, '"}') for x in ("AQAC", "", "AQ", "AQ=", "A-_A", "A\n")])
)
def test_what_is_known_at_a_glance_is_what_parsing_finds(talk):
    name, messages = talk
    event("known" if agree(FORMATS[name], messages) else "parsed")


@pytest.mark.parametrize("name", ["mono", "stereo", "nested data", "mu-law", "data in a list"])
@pytest.mark.parametrize("space", ["", " "])
def test_messages_that_differ_in_their_audio_alone_are_not_parsed(name, space):
    shown = {"type": "audio_chunk", "event": "media", "data": HOLE, "media": {"payload": HOLE}, "text": 'Grüß "dich"'}
    if name == "data in a list":
        shown["media"] = [HOLE]
    if name != "mono" and name != "stereo":
        del shown["data"]
    else:
        del shown["media"]
    text = json.dumps(shown, separators=("," + space, ":" + space)).replace("\\u0000", HOLE)
    said = [
        (text.replace(HOLE, base64.b64encode(bytes(range(size))).decode()).encode(), True)
        for size in (8, 3, 1, 5, 0, 2, 200)
    ]
    assert agree(FORMATS[name], said) == len(said) - 1


@pytest.mark.parametrize("name", ["nested type", "no type", "any type", "audio is ready", "audio is an event", "mp3"])
def test_what_takes_more_than_a_glance_is_parsed(name):
    said = [(b'{"type":"audio_chunk","media":{"type":"audio_chunk"},"data":"AQACAAMA"}', True)] * 3
    assert agree(FORMATS[name], said) == 0


def test_only_what_decoding_takes_is_audio():
    """Whatever byte stands in it, before it or behind it; and padding of any kind."""
    frame = AudioFrame(b'{"data":"', b'"}')
    tried = [
        b"AAAA" * count + bytes([byte]) + rest
        for byte in range(256)
        for count in (0, 8)
        for rest in (b"", b"A", b"AAA", b"===")
    ]
    for sound in [*tried, *(b"AB"[: 1 + count % 2] + b"=" * (count // 2) for count in range(10))]:
        try:
            expected = pybase64.b64decode(sound, validate=True)
        except ValueError:
            expected = None
        assert frame.audio_in(b'{"data":"' + sound + b'"}') == expected
        assert expected is None or set(sound) <= set(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
        )


def test_what_stands_around_it_does_not_overlap():
    frame = AudioFrame(b'{"a":["', b'["]}')
    assert frame.audio_in(b'{"a":["]}') is None
    assert frame.audio_in(b'{"a":["["]}') == b""
    assert UNKNOWN.audio_in(b"") is None
    assert UNKNOWN.audio_in(b"AAAA") is None


def data_of(message):
    return message.get("data") if isinstance(message, dict) else None


def learn(shelf, payload):
    return shelf.learn(payload, json.loads(payload), data_of)


def test_connections_share_what_they_know_up_to_a_bound():
    shelf = AudioFrames()
    one, other = (learn(shelf, b'{"data":"%b"}' % sound) for sound in (b"AAAA", b"BBBB"))
    assert one is other
    for number in range(3_000):
        known = learn(shelf, b'{"n":%d,"data":"AAAA"}' % number)
        assert known.audio_in(b'{"n":%d,"data":"AAAA"}' % number) == bytes(3)
    assert len(shelf._known) == 1_024
    assert learn(shelf, b'{"data":"CCCC"}') is one


def test_what_is_kept_of_a_message_is_bounded():
    shelf = AudioFrames()
    assert learn(shelf, b'{"x":"%b","data":"AAAA"}' % bytes(b"x" * 4_000)) is not UNKNOWN
    assert learn(shelf, b'{"x":"%b","data":"AAAA"}' % bytes(b"x" * 5_000)) is UNKNOWN
    assert learn(shelf, b'{"x":"1","data":"%b"}' % bytes(b"A" * 64_000)) is not UNKNOWN


def test_lessons_are_bounded(monkeypatch):
    """Of an agent with a number in each message nothing more is learned after some."""
    lessons = []
    learns = AudioFrames.learn
    monkeypatch.setattr(AudioFrames, "learn", lambda *about: lessons.append(about) or learns(*about))
    said = [(b'{"type":"audio_chunk","n":%d,"data":"AQAC"}' % number, True) for number in range(50)]
    assert agree(MONO, said) == 0
    assert len(lessons) == 2 * 8
