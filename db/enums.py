"""The fixed words that tables and rules share. A value is the text that stands in the database."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    STANDARD = "standard"
    FINTECH = "fintech"
    HEALTHCARE = "healthcare"
    GOV_FEDERAL = "gov_federal"


class Metric(StrEnum):
    """A value is also the name of its column in `usage_metrics`."""

    ACCOUNT_COUNT = "account_count"
    OU_COUNT = "ou_count"
    SCP_COUNT = "scp_count"
    CLOUDTRAIL_EVENTS = "cloudtrail_events"
    CONFIG_EVALUATIONS = "config_evaluations"
    LOG_STORAGE_GB = "log_storage_gb"
    NAT_BYTES_PROCESSED = "nat_bytes_processed"
    DATA_TRANSFER_GB = "data_transfer_gb"


class ActorKind(StrEnum):
    TENANT = "tenant"
    OPERATOR = "operator"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


class LineKind(StrEnum):
    BASE = "base"
    USAGE = "usage"
    DISCOUNT = "discount"
    ADJUSTMENT = "adjustment"
    TAX = "tax"


class TaxStatus(StrEnum):
    TAXABLE = "taxable"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
