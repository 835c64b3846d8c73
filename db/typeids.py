"""IDs as the API names them, out of UUIDs: a prefix and 26 characters of base 32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]


def typeid(prefix: str, id: UUID) -> str:
    return f"{prefix}_{digits(id.int)}"


def digits(number: int) -> str:
    """The 26 characters of 128 bits."""
    # by pairs of characters, in small numbers, written out: lists of a thousand IDs are common, and this is a third of the
    # time that a loop takes
    a, b, c, d = number >> 100, number >> 80 & 0xFFFFF, number >> 60 & 0xFFFFF, number >> 40 & 0xFFFFF
    e, f = number >> 20 & 0xFFFFF, number & 0xFFFFF
    p = _PAIRS
    return (
        f"{p[a >> 20]}{p[a >> 10 & 1023]}{p[a & 1023]}{p[b >> 10]}{p[b & 1023]}{p[c >> 10]}{p[c & 1023]}"
        f"{p[d >> 10]}{p[d & 1023]}{p[e >> 10]}{p[e & 1023]}{p[f >> 10]}{p[f & 1023]}"
    )


_CHARACTERS: Final = ALPHABET.encode() + bytes(256 - len(ALPHABET))
_AT_ONCE: Final = 128
_UPPER_HALF: Final = "0" * 32


def _spreading() -> list[tuple[int, int, int]]:
    """How 32 groups of five bits are spread over 32 bytes, in so many numbers of 256 bits: by moving the upper half up, then
    the upper half of each half, and so on. Of each step the bits of the lower and of the upper halves, and how far.
    """
    steps = []
    for groups in (16, 8, 4, 2, 1):
        lower = int(f"{2 ** (5 * groups) - 1:0{4 * groups}x}" * (16 // groups * _AT_ONCE), 16)
        steps.append((lower, lower << 5 * groups, 3 * groups))
    return steps


_SPREADING: Final = _spreading()


def digits_of(hexes: Sequence[str]) -> list[str]:
    """As `digits`, of numbers in 32 hex digits each: as one large number, in a third of the time."""
    found: list[str] = []
    for start in range(0, len(hexes), _AT_ONCE):
        some = hexes[start : start + _AT_ONCE]
        number = int.from_bytes(bytes.fromhex(_UPPER_HALF.join(some)), "big")
        for lower, upper, by in _SPREADING:
            number = number & lower | (number & upper) << by
        text = number.to_bytes(32 * len(some), "big").translate(_CHARACTERS).decode()
        found += [text[end - 26 : end] for end in range(32, len(text) + 1, 32)]
    return found
