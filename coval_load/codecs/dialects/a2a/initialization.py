"""The one request before a conversation with an A2A agent: a session, or a token for it (RFC 6749, section 4.4)."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from coval_load.codecs.dialects.http_headers import INITIALIZATION_NAMES, Headers, merged
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.dialects.json_messages import NotJson, kind_of, parse
from coval_load.codecs.encoding import as_text, encode_json
from coval_load.codecs.templates import JsonTemplate, TemplateError

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

_OF = "of initialization_endpoint"
_FIELD = "initialization_payload"
_TOKEN = re.compile(r"[!-~]+")


@attrs.frozen
class Session:
    """What the initialization gave: its parsed answer (None: nothing was asked), and headers for all that follows."""

    init_response: Any = attrs.field(default=None, repr=False)
    headers: Headers = attrs.field(default=(), repr=False)


class InitializationFailed(Exception):
    """The answer is not what was asked for; says what was expected and what came."""


@attrs.frozen
class Initialization:
    """A POST of `payload` to `endpoint`, as a form or as JSON."""

    endpoint: str
    payload: JsonTemplate = attrs.field(repr=False)
    content_type: str = FORM

    @classmethod
    def parse(cls, endpoint: str, payload: Any, content_type: str) -> "Initialization":
        """Raises `TemplateError` for a placeholder nobody knows, and for a form that is no object."""
        fields = {} if payload is None else payload
        if content_type == FORM and not isinstance(fields, Mapping):
            raise TemplateError(_FIELD, None, f"expected an object, whose keys are the form's; got {kind_of(payload)}")
        return cls(endpoint, JsonTemplate.parse(fields, name=_FIELD, allowed=INITIALIZATION_NAMES), content_type)

    def request(self, values: Mapping[str, Any], authorization: Mapping[str, str]) -> HttpRequest:
        """Raises `TemplateError` where a placeholder has no value.

        In a form, strings stand as they are and all else as its JSON; a null is left out.
        """
        filled = self.payload.fill(values)
        try:
            body = _form(filled) if self.content_type == FORM else encode_json(filled)
        except ValueError as error:
            raise TemplateError(_FIELD, None, str(error)) from error
        own = (("Content-Type", self.content_type), ("Accept", JSON))
        return HttpRequest("POST", self.endpoint, merged(own, authorization.items()), body)

    def session(self, answer: bytes) -> Session:
        """What the answer gives: its `access_token`, if there is one, goes with every request as a Bearer token.

        An empty answer is taken as null. Raises `InitializationFailed` for one that is no JSON, for a token that
        no header can hold, and for none at all where OAuth 2.0 was asked for one (a form with a `grant_type`).
        """
        try:
            found = parse(answer) if answer.strip() else None
        except NotJson as error:
            # What came is not shown: it may be a token in another format.
            what = "access_token" if self._asks_for_token else "JSON"
            raise InitializationFailed(f"expected {what} in the answer {_OF}; got no JSON") from error
        token = found.get("access_token") if isinstance(found, Mapping) else None
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            return Session(found, (("Authorization", f"Bearer {token}"),))
        if token is not None:
            came = "other characters, or none" if isinstance(token, str) else kind_of(token)
            raise InitializationFailed(f"expected access_token in the answer {_OF} as visible ASCII; got {came}")
        if self._asks_for_token:
            came = f"an object without it{_oauth_error(found)}" if isinstance(found, Mapping) else kind_of(found)
            raise InitializationFailed(f"expected access_token in the answer {_OF}; got {came}")
        return Session(found)

    @property
    def _asks_for_token(self) -> bool:
        return self.content_type == FORM and "grant_type" in self.payload.value


def _form(fields: Mapping[str, Any]) -> bytes:
    pairs = [(name, as_text(value)) for name, value in fields.items() if value is not None]
    return urlencode(pairs, errors="replace").encode("ascii")


def _oauth_error(answer: Mapping[str, Any]) -> str:
    # RFC 6749, section 5.2; its codes are few and hold no secrets.
    error = answer.get("error")
    return f", but error {error!r}" if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""
