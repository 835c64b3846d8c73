"""The one folder in which a local Landlord keeps its state, and the promise to touch no other.

A folder is ours if it holds our marker. One that is new or empty becomes ours; any other is refused.
"""

import os
from pathlib import Path

_MARKER = ".landlord-home"


class Unusable(Exception):
    """Something on this machine is in the way; the message says what, and what to do about it."""


def claim(path: Path) -> Path:
    """The folder `path`, made if need be and marked as ours; absolute. Raises Unusable if it is somebody else's."""
    home = path.expanduser().absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {entry.name for entry in home.iterdir()}
        if _MARKER in found and home.stat().st_uid != os.geteuid():
            raise PermissionError("another user started Landlord there")
        if _MARKER not in found:
            if found - {_MARKER + ".new"}:
                raise Unusable(
                    f"{home} holds files that Landlord did not make, so it stays as it is: "
                    "set LANDLORD_HOME to a new or empty folder."
                )
            home.chmod(0o700)
            write_private(home / _MARKER, "This folder belongs to a local Landlord: its database, keys and logs.\n")
        if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError("closed to this user")
    except FileExistsError:
        raise Unusable(f"{home} is a file: set LANDLORD_HOME to a folder.") from None
    except OSError as problem:
        raise Unusable(
            f"{home} cannot be used ({problem.strerror or problem}): "
            "set LANDLORD_HOME to a folder of this user, on a disk with room."
        ) from None
    return home


def write_private(path: Path, text: str) -> None:
    """Puts `text` into `path`, whole or not at all, readable by this user alone."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
