"""What a client says that would pin its session to one connection of RDS Proxy, or break behind any pooler of transactions.

RDS Proxy lends a connection for a transaction. Where a client changes what belongs to the session, the proxy keeps the
two together until the client leaves, and so no longer pools. AWS names for PostgreSQL: SET; PREPARE, EXECUTE, DEALLOCATE
and DISCARD; temporary tables, sequences and views; cursors; LISTEN; LOAD; nextval and setval; advisory locks; setting or
resetting a parameter, by which set_config is meant too; and any statement whose text is longer than 16 KB. Named
statements of the extended protocol pinned until 2023, and are multiplexed since; PgBouncer before 1.21, which Debian 12
has, mixes them up. So none of these may be said, whether it would pin today or not. Options at the start of a session
are refused, and a request to cancel does nothing.

Locks that end with their transaction (pg_advisory_xact_lock) keep nothing in the session: they are not in AWS's list, and
allowed here. What a function does inside of the database is not on the wire; RDS Proxy does not see it either. Whether a
message of two statements pins, AWS does not say: LISTED has all of ours, for whoever watches
`DatabaseConnectionsCurrentlySessionPinned` on a first deployment.

Two rules are our own. Every statement stands in a transaction that began with `app.clean`. And a tenant or an operator
says nothing before `app.open` but what BEFORE_OPEN lists; a worker opens nothing: its policies ask what it has claimed.

Sources: Amazon RDS and Aurora User Guides, "Avoiding pinning an RDS Proxy" ("Conditions that cause pinning for RDS for
PostgreSQL") and "RDS Proxy concepts and limitations"; AWS Database Blog, "Amazon RDS Proxy multiplexing support for
PostgreSQL Extended Query Protocol"; PgBouncer's documentation, "Features" and the changelog of 1.21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from db import session
from tests.pooler.wire import STARTUP, texts


class Pin(StrEnum):
    NAMED = "prepares or binds by name"
    PREPARED = "manages prepared statements in SQL"
    SETTING = "changes a setting"
    DISCARDS = "discards what the session holds"
    LISTENS = "listens on a channel"
    CURSOR = "declares a cursor"
    TEMPORARY = "makes something temporary"
    LIBRARY = "loads a library"
    SEQUENCE = "moves or reads a sequence"
    LOCK = "takes or gives back a lock of the session"
    LONG = "is longer than 16 KB"
    PARAMETER = "asks for a parameter at the start"
    CALL = "calls a function by a message of its own"
    UNLISTED = "comes by the simple protocol and is not listed"
    OUTSIDE = "stands outside of a transaction"
    UNOPENED = "comes before the transaction was opened for anybody"


BEGIN = "begin; select app.clean()"
BEGIN_RELAXED = "begin; select app.clean_relaxed()"
OPEN = session._OPEN
OPEN_ALONG = session._opening_with("").split("()")[0]  # the same with a question, which is read once it has opened

# All that the application says by the simple protocol, and why.
LISTED = {
    BEGIN: "one message, so that nothing an earlier client planted runs between the two",
    BEGIN_RELAXED: "the same; what it sets for the transaction is set inside of the database",
    "commit": "the end",
    "rollback": "the end",
    "savepoint step": "a mutation that is refused undoes itself and nothing else",
    "release savepoint step": "it was not",
    "rollback to savepoint step; release savepoint step": "it was; in one message, as both or none are meant",
}

# All that is asked before anybody is known, and why.
BEFORE_OPEN = {
    "select * from app.find_api_key($1)": "whose key it is; takes an argument signed for this alone",
    "select app.record_refusal($1, $2)": "the event of a refusal; the same",
    "select version from public.schema_migrations": "/readyz asks what has run, which is nobody's",
    "select pg_relation_size('landlord.audit_events_default') > 0": "/readyz asks a size, which everybody may",
    "select count(*) from customers": "asked in order to be refused: /readyz looks whether isolation holds",
}

_LONGEST = 16 * 1024
_PARAMETERS = {"user", "database", "client_encoding"}
_WITHOUT_CONTEXT = "landlord_worker"

_BY_FIRST_WORD = {
    "set": Pin.SETTING,
    "reset": Pin.SETTING,
    "prepare": Pin.PREPARED,
    "execute": Pin.PREPARED,
    "deallocate": Pin.PREPARED,
    "discard": Pin.DISCARDS,
    "listen": Pin.LISTENS,
    "unlisten": Pin.LISTENS,
    "declare": Pin.CURSOR,
    "load": Pin.LIBRARY,
}
_ANYWHERE = [
    (re.compile(r"\bset_config\s*\("), Pin.SETTING),
    (re.compile(r"\b(?:create|into)\s+(?:or\s+replace\s+)?(?:local\s+|global\s+)?temp(?:orary)?\b"), Pin.TEMPORARY),
    (re.compile(r"\bpg_temp\s*\."), Pin.TEMPORARY),
    (re.compile(r"\b(?:nextval|setval|currval|lastval)\s*\("), Pin.SEQUENCE),
    (re.compile(r"\bpg_(?:try_)?advisory_(?:un)?lock\w*\s*\("), Pin.LOCK),
]
_COMMENT_OR_QUOTED = re.compile(
    r"""--[^\n]*|/\*.*?\*/|(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)""",
    re.DOTALL,
)


@dataclass
class Client:
    """One connection: who it is, where its transaction stands, and what it says that it should not."""

    user: str = ""
    idle: bool = True
    opened: bool = False

    def hears(self, kind: bytes, body: bytes) -> None:
        """A message of the server's: ReadyForQuery says whether a transaction is under way."""
        if kind == b"Z":
            self.idle = body == b"I"
            self.opened &= not self.idle

    def says(self, kind: bytes, body: bytes) -> Iterator[tuple[Pin, str]]:
        """What of this message should not be, each with the text that it is about."""
        match kind:
            case b"" if body.startswith(STARTUP):
                given = body[len(STARTUP) :].decode().rstrip("\0").split("\0")
                parameters = dict(zip(given[::2], given[1::2], strict=False))
                self.user = parameters["user"]
                yield from ((Pin.PARAMETER, name) for name in parameters.keys() - _PARAMETERS)
            case b"Q":
                (text,) = texts(body, 1)
                if text not in LISTED:
                    yield Pin.UNLISTED, text
                    yield from self._in_sql(text)
                if self.idle and text not in (BEGIN, BEGIN_RELAXED):
                    yield Pin.OUTSIDE, text
            case b"P":
                name, text = texts(body, 2)
                if name:
                    yield Pin.NAMED, text
                if self.idle:
                    yield Pin.OUTSIDE, text
                yield from self._in_sql(text)
            case b"B":
                yield from ((Pin.NAMED, name) for name in texts(body, 2) if name)  # a portal's, a statement's
            case b"F":
                yield Pin.CALL, ""

    def _in_sql(self, text: str) -> Iterator[tuple[Pin, str]]:
        if len(text.encode()) > _LONGEST:
            yield Pin.LONG, text
        if text == OPEN or text.startswith(OPEN_ALONG):
            self.opened = True
        elif not self.opened and self.user != _WITHOUT_CONTEXT and text not in BEFORE_OPEN:
            yield Pin.UNOPENED, text
        for statement in _bare(text).split(";"):
            words = statement.split(maxsplit=1)
            if words and (pin := _BY_FIRST_WORD.get(words[0])):
                yield pin, text
            yield from ((pin, text) for pattern, pin in _ANYWHERE if pattern.search(statement))


def _bare(text: str) -> str:
    """Without comments and what is quoted, where words mean nothing."""
    return _COMMENT_OR_QUOTED.sub(lambda found: " '' " if found["quoted"] else " ", text).lower()
