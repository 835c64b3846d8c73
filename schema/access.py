"""What a field needs: declared beside it, found on the schema, checked over a whole document before anything runs.

It belongs on every root field and on every field with a resolver. A plain attribute needs nothing beyond the field
that led to its object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from strawberry.extensions import FieldExtension

from auth.scopes import Scope

# From the text of an ID to the scope of its type. Raises Invalid for what is no ID.
ScopeOfId: TypeAlias = Callable[[str], Scope | None]


@dataclass(frozen=True, slots=True)
class Access:
    """`scope` None: every caller. `by_id` instead: it depends on the field's argument `id`.

    `kind` "signs in": nobody needs credentials for it, it stands alone in its operation, and below it there are plain
    attributes only.
    """

    kind: Literal["reads", "writes", "signs in"]
    scope: Scope | None = None
    by_id: ScopeOfId | None = None


class Declares(FieldExtension):
    """A field extension that wraps nothing: it only says what its field needs."""

    access: Access


class Reads(Declares):
    """`Reads(Scope.INVOICES_READ)`, `Reads(None)`, or `Reads(by_id=...)` where the scope is that of the ID's prefix."""

    def __init__(self, scope: Scope | None = None, *, by_id: ScopeOfId | None = None) -> None:
        self.access = Access("reads", scope, by_id)
