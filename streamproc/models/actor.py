"""Who makes a change, as the audit names them."""

from __future__ import annotations

import getpass
import platform


def current_actor() -> str:
    """`USER@MACHINE` of this process; a user without a name is `unknown`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without an entry
        user = "unknown"
    return f"{user}@{platform.node() or 'unknown'}"
