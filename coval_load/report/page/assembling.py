"""What pages of ours are put together with: a template in which every text is seen as it is, scripts, and a policy."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from coval_load.report.visible import visible

_HERE = "coval_load.report.page"


def render(template: str, values: Mapping[str, Any]) -> str:
    """`template`, a Jinja template, with `values`: markup in them is escaped, and what would act is made visible."""
    return _compiled(template).render(values)


@cache
def _compiled(template: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(template)


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def read(name: str, package: str = _HERE) -> str:
    """A file that lies beside the pages' code."""
    return (files(package) / name).read_text("utf-8")


def script(*texts: str) -> Markup:
    """Scripts as one, whose names are nobody else's."""
    parts = "\n".join(texts)
    return inline(f'(() => {{\n"use strict";\n{parts}\n}})();')


@cache
def bokeh() -> Markup:
    """Bokeh's script, of the installed package."""
    return inline((files("bokeh") / "server/static/js/bokeh.min.js").read_text("utf-8"))


def inline(text: str) -> Markup:
    """`text` as it may stand in a script element."""
    # The only texts that end a script element, or keep it from being ended.
    for marker in ("</script", "<!--"):
        if marker in text.lower():
            raise AssertionError(f"expected no {marker} in a script of the page")
    return Markup(text)


def policy(*scripts: str, **also: str) -> str:
    """A Content-Security-Policy that lets nothing run but `scripts`; `also` are further directives, `_` for `-`."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    further = "".join(f"; {name.replace('_', '-')} {value}" for name, value in also.items())
    may_run = hashes or "'none'"
    rules = f"default-src 'none'; script-src {may_run}; style-src 'unsafe-inline'; img-src data:"
    return f"{rules}; base-uri 'none'{further}"


def data(value: Any) -> Markup:
    """JSON that may stand in a script element: no `<` that could end it."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
