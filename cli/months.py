"""A month as an argument: refused in a sentence before anybody is asked."""

from __future__ import annotations

import click

from billing.periods import Month
from db.errors import Invalid


class MonthType(click.ParamType[Month]):
    name = "month"

    def convert(self, value: str | Month, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        if isinstance(value, Month):
            return value
        try:
            return Month.parse(value)
        except Invalid as problem:
            self.fail(str(problem), param, ctx)


MONTH = MonthType()
