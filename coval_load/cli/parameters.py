"""Kinds of values that options of several commands take."""

from typing import Any

import click

from coval_load.limits import Duration


class DurationType(click.ParamType[float]):
    """`300ms`, `2s`, `10m`, `8h` -> seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails with what was expected."""
        if isinstance(value, float):
            return value
        seconds = Duration().read(value)
        if not isinstance(seconds, float):
            self.fail(f"expected a duration such as 300ms, 2s, 10m or 8h; got {value!r}", param, ctx)
        return seconds


DURATION = DurationType()
