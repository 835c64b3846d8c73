"""A later release, which sets the same invoice in other bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing import pdf

_ACCENT = "#0b6e69"


def another(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """From now on what is green on an invoice is red."""
    before = pdf._TEMPLATE.read_text()
    assert _ACCENT in before
    template = folder / "invoice.typ"
    template.write_text(before.replace(_ACCENT, "#a32030"))
    patch.setattr(pdf, "_TEMPLATE", template)
