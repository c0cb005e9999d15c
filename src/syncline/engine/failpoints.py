"""Named places where a test can make the process die, to prove that nothing depends on living on.

Unarmed, a failpoint is one dictionary look-up. Armed through the environment variable
``SYNCLINE_FAILPOINT=name[:n]``, the n-th passage (default: the first) ends the process at once, as
``kill -9`` would.
"""

from __future__ import annotations

import os
from collections.abc import Callable

_actions: dict[str, Callable[[], None]] = {}


def failpoint(name: str) -> None:
    """Die here, if a test asked for it."""
    action = _actions.get(name)
    if action is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """Run ``action`` at every passage of a failpoint."""
    _actions[name] = action


def disarm() -> None:
    """Forget every armed failpoint."""
    _actions.clear()


def arm_from(setting: str) -> None:
    """Arm what ``SYNCLINE_FAILPOINT`` says; an empty setting arms nothing."""
    if not setting:
        return
    name, _, count = setting.partition(":")
    left = int(count or 1)

    def die() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os._exit(137)

    arm(name, die)
