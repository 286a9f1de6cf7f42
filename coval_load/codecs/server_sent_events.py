"""Server-sent events: bytes to events, as section 9.2 of the WHATWG HTML standard has it."""

import attrs

MOST_BUFFERED = 10_000_000
"""How many bytes of one event, or of one answer that is read whole, are kept."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@attrs.frozen
class ServerSentEvent:
    """One event; `event` is its type, `message` where the stream names none."""

    event: str
    data: str


class EventStream:
    """Reads one stream of events, whose bytes may be cut anywhere. Never raises on input.

    Lines end in CR, LF or CRLF; a byte order mark before the first, comments, `id` and `retry` have no
    effect; what is no UTF-8 is read as U+FFFD. An event larger than `most_buffered` bytes sets
    `overflowed`: the stream then gives nothing more and keeps nothing.
    """

    def __init__(self, most_buffered: int = MOST_BUFFERED) -> None:
        self.overflowed = False
        self._most = most_buffered
        self._rest = bytearray()
        self._may_have_mark = True
        self._after_cr = False
        self._data: bytearray | None = None
        self._type = b""
        self._held = 0

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes, in order."""
        if self.overflowed or not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
            if not data:
                return []
        self._after_cr = data.endswith(b"\r")
        if self._rest:
            # An unfinished line grows in place; joining it to each read would take quadratic time.
            self._rest += data
            if b"\n" not in data and b"\r" not in data and not self._may_have_mark:
                self._bound(len(self._rest))
                return []
            data = bytes(self._rest)
            self._rest.clear()
        if self._may_have_mark:
            if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
                self._rest += data
                return []
            self._may_have_mark = False
            data = data.removeprefix(_BYTE_ORDER_MARK)
        return self._read(data)

    def end(self) -> list[ServerSentEvent]:
        """The event that stands unfinished where the stream ends, if any.

        The standard discards an event that no blank line ends. Servers that leave out the last blank line
        are common among those that speak to programs only, so here it is given.
        """
        if self.overflowed:
            return []
        if self._rest:
            self._take(bytes(self._rest))
            self._rest.clear()
        last = self._event()
        return [] if last is None else [last]

    def _read(self, data: bytes) -> list[ServerSentEvent]:
        lines = data.splitlines()
        if lines and not data.endswith((b"\n", b"\r")):
            self._rest += lines.pop()
        found: list[ServerSentEvent] = []
        for line in lines:
            if line:
                if not self._bound(len(line)):
                    return found
                self._take(line)
            else:
                event = self._event()
                if event is not None:
                    found.append(event)
        self._bound(len(self._rest))
        return found

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            # In one piece: a stream of short lines would take many times its own size as a list.
            if self._data is None:
                self._data = bytearray()
            else:
                self._data += b"\n"
            self._data += value.removeprefix(b" ")
        elif name == b"event":
            self._type = value.removeprefix(b" ")
        else:
            return
        # With the field's name, so that lines without a value can't pile up.
        self._held += len(line)

    def _event(self) -> ServerSentEvent | None:
        data, event_type = self._data, self._type
        self._forget()
        if data is None:
            return None
        return ServerSentEvent(
            event_type.decode("utf-8", "replace") if event_type else "message",
            data.decode("utf-8", "replace"),
        )

    def _forget(self) -> None:
        self._data = None
        self._type = b""
        self._held = 0

    def _bound(self, coming: int) -> bool:
        if self._held + coming > self._most:
            self.overflowed = True
            self._rest.clear()
            self._forget()
        return not self.overflowed
