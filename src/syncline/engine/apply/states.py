"""What a batch's news leaves to be computed again of the contents that hang on it."""

from __future__ import annotations

from syncline.engine.states import States
from syncline.model.change import Change
from syncline.ports import Write


class StateMarks:
    """The contents that a batch marks, each since the oldest change that asks for it."""

    def __init__(self, states: States | None) -> None:
        self._states = states or None
        self._marks: dict[tuple[str, str], int] = {}

    def __bool__(self) -> bool:
        """Whether anything is marked."""
        return bool(self._marks)

    def changed(self, system: str, change: Change) -> None:
        """A record is another one now, is new, or is there again."""
        if self._states is None:
            return
        for at in self._states.of_change(system, change):
            before_ms = self._marks.get(at, change.changed_at_ms)
            self._marks[at] = min(before_ms, change.changed_at_ms)

    def writes(self) -> list[Write]:
        """The marks; no statement at all where there are none."""
        rows = [
            {"route": route, "key": key, "changed_at_ms": at_ms}
            for (route, key), at_ms in self._marks.items()
        ]
        return [Write("state_mark", rows, told=False)] if rows else []
