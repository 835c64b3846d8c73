"""Why one customer's month cannot be billed. Each stops that customer alone; `code` is how a run stores it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar

from billing.periods import Month
from db.errors import LandlordError


class BillingFailure(LandlordError):
    """Its text says what to do about it, in a sentence."""

    code: ClassVar[str] = "INTERNAL"


class NoUsage(BillingFailure):
    code = "NO_USAGE"

    def __init__(self, month: Month) -> None:
        super().__init__(f"No usage is recorded for {month}: record or sync it, then run billing again.")
        self.month = month


class NoTaxRate(BillingFailure):
    code = "NO_TAX_RATE"

    def __init__(self, jurisdiction: str, day: date) -> None:
        super().__init__(
            f"There is no tax rate for {jurisdiction} on {day}: add one, or correct the customer's jurisdiction or"
            " tax status, then run billing again."
        )
        self.jurisdiction = jurisdiction
        self.day = day


class NoRateCard(BillingFailure):
    code = "NO_RATE_CARD"

    def __init__(self, day: date) -> None:
        super().__init__(f"No price list is in force on {day}: load one from that day or earlier on.")
        self.day = day


class NotBillable(BillingFailure):
    code = "NOT_BILLABLE"

    def __init__(self, month: Month) -> None:
        super().__init__(f"There is nothing to bill in {month}: the customer has no billable day in it.")
        self.month = month


class AmountTooLarge(BillingFailure):
    """More than an invoice's columns hold."""

    def __init__(self, month: Month) -> None:
        super().__init__(f"What {month} comes to has more than twelve digits: look at its usage and the price list.")
        self.month = month


class SanityBound(BillingFailure):
    """It is drafted all the same, and no run issues it. `usual` is the mean of the months before, to cents."""

    code = "SANITY_BOUND"

    def __init__(self, month: Month, subtotal: Decimal, usual: Decimal) -> None:
        super().__init__(
            f"{month} comes to {subtotal:,} before tax, more than ten times what the last three whole months came to on"
            f" average, {usual:,}: look at its usage, then issue the draft yourself or record usage anew."
        )
        self.month = month
        self.subtotal = subtotal
        self.usual = usual
