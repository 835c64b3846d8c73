"""What earlier invoices mean for the next one: which months may be charged wrongly by now, and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from db.session import Session, columns
from db.usage import UsageRow


@dataclass(frozen=True, slots=True)
class ChargedMonthRow:
    """A month with a standing invoice, the price list and tier that it names, and its newest usage.

    `charged` is all that was charged for the month's usage so far; drafts and cancelled invoices charge nothing.
    """

    invoice_id: UUID
    rate_card_id: UUID
    tier: str
    charged: Decimal
    usage: UsageRow

    @property
    def customer_id(self) -> UUID:
        return self.usage.customer_id

    @property
    def month(self) -> date:
        return self.usage.month


_USAGE = columns(UsageRow, "newest.")


async def months_that_may_be_wrong(
    session: Session, customer_ids: Sequence[UUID], month: date
) -> list[ChargedMonthRow]:
    """Of these customers' months before `month` that were billed, those whose charge may not fit their newest usage.

    Oldest first. In every month that is left out, what its own invoice charged is what its newest usage costs.
    """
    # adjustments on an invoice of `month` itself don't count: another one for it is instead of that, never beside it
    return await session.all(
        _charged_month,
        f"""
        select i.id, i.rate_card_id, i.tier, i.usage_charges - i.volume_discount + coalesce(adjusted.amount, 0), {_USAGE}
          from invoices i
         cross join lateral (
                   select * from usage_metrics u
                    where u.customer_id = i.customer_id and u.month = i.month
                    order by u.revision desc
                    limit 1
               ) as newest
          left join lateral (
                   select sum(line.amount) as amount
                     from invoice_lines line
                     join invoices other on other.customer_id = line.customer_id and other.id = line.invoice_id
                    where line.customer_id = i.customer_id and line.kind = 'adjustment' and line.adjusted_month = i.month
                      and other.status in ('issued', 'paid') and other.month <> $2
               ) as adjusted on true
         where i.customer_id = any($1::uuid[]) and i.month < $2::date
           and i.status in ('issued', 'paid') and i.usage_revision > 0
           and (newest.revision <> i.usage_revision or adjusted.amount is not null)
         order by i.month
        """,
        customer_ids,
        month,
    )


async def closed_with_something_new(session: Session, day: date) -> list[UUID]:
    """Customers closed on `day` or before whose usage was corrected after it was billed, or was adjusted ever."""
    return await session.values(
        """
        select i.customer_id
          from customers c
          join invoices i on i.customer_id = c.id and i.status in ('issued', 'paid') and i.usage_revision > 0
         where c.closed_on <= $1
           and exists (
                   select from usage_metrics u
                    where u.customer_id = i.customer_id and u.month = i.month and u.revision > i.usage_revision
               )
        union
        select line.customer_id
          from customers c
          join invoice_lines line on line.customer_id = c.id and line.kind = 'adjustment'
         where c.closed_on <= $1
        """,
        day,
    )


async def sums_of_last(session: Session, count: int, customer_ids: Sequence[UUID], month: date) -> dict[UUID, Decimal]:
    """What each customer's last `count` whole months before `month` came to, before tax, by issued and paid invoices.

    Customers with fewer of them are left out.
    """
    return dict(
        await session.all(
            _pair,
            """
            select asked.id, sum(last.subtotal)
              from unnest($1::uuid[]) as asked (id)
             cross join lateral (
                       select i.subtotal
                         from invoices i
                        where i.customer_id = asked.id and i.month < $2::date and i.status in ('issued', 'paid')
                          and (i.tier_periods -> 0 ->> 'from')::date = i.month
                          and (i.tier_periods -> -1 ->> 'to')::date = i.month + interval '1 month'
                        order by i.month desc
                        limit $3
                   ) as last
             group by asked.id
            having count(*) = $3
            """,
            customer_ids,
            month,
            count,
        )
    )


def _pair(first: Any, second: Any) -> tuple[Any, Any]:
    return first, second


def _charged_month(invoice_id: UUID, rate_card_id: UUID, tier: str, charged: Decimal, *usage: Any) -> ChargedMonthRow:
    return ChargedMonthRow(invoice_id, rate_card_id, tier, charged, UsageRow(*usage))
