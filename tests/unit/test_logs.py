"""Log lines that cannot be written are lost; whoever logs goes on."""

from __future__ import annotations

import errno
import json

import structlog

from syncline.runtime import logs


class FullDisk:
    def __init__(self) -> None:
        self.full = True
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(text)
        return len(text)

    def flush(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_sink_that_is_full_hurts_nobody_and_goes_on_later(monkeypatch):
    sink = FullDisk()
    before = structlog.get_config()
    monkeypatch.setattr(logs.sys, "stderr", sink)
    try:
        logs.configure()
        structlog.get_logger("a").warning("lost", action="lost")
        sink.full = False
        structlog.get_logger("a").warning("told", action="told")
    finally:
        structlog.configure(**before)
    assert "lost" not in "".join(sink.lines)
    assert '"action":"told"' in "".join(sink.lines)


def test_half_a_sign_is_logged_as_its_number(capsys):
    """A file's name that is no UTF-8 has some, and an error may tell it."""
    before = structlog.get_config()
    try:
        logs.configure()
        structlog.get_logger("a").warning("told", action="told", error=OSError("a\udcff\r\nb"), name="\ud800")
    finally:
        structlog.configure(**before)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["error"] == "a\udcff\r\nb"
