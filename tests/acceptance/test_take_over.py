"""The how-to of the take-over, done as it stands there: every command, in its order, with real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.ports import free_ports

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(480)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "howto" / "take-over-from-another-connector.md"
WITHIN_S = 90


def commands() -> list[str]:
    """Every line of the page's shell blocks, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


class Stranger:
    """Somebody at two terminals who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop, erp, server = free_ports(3)
        self._ports = {"9101": self.shop, "9102": erp, "9100": server}
        (folder / "examples").mkdir()
        for name in ("past.toml", "past_central.toml"):
            (folder / "examples" / name).write_text(self.here((ROOT / "examples" / name).read_text()))
        bin_ = folder / ".venv" / "bin"
        bin_.mkdir(parents=True)
        (bin_ / "syncline").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m syncline.cli "$@"\n')
        (bin_ / "syncline").chmod(0o755)
        self._env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}

    def here(self, text: str) -> str:
        """The text with the ports of this run."""
        for port, real in self._ports.items():
            text = text.replace(port, str(real))
        return text

    def do(self, command: str) -> str:
        """Run a command to its end; returns what it said."""
        done = subprocess.run(
            ["/bin/bash", "-c", self.here(command)],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        # `check` names the subscriptions, which the service makes when it starts.
        assert done.returncode == 0 or command.endswith("check"), f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str, output: str) -> subprocess.Popen[bytes]:
        """Leave a command running in the foreground of its terminal."""
        with (self.folder / output).open("wb") as file:
            return subprocess.Popen(
                ["/bin/bash", "-c", self.here(command)],
                cwd=self.folder,
                env=self._env,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until(self, output: str, words: str) -> str:
        """Wait until a running command has said something; returns all that it said."""
        until_s = time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            path = self.folder / output
            said = path.read_text() if path.exists() else ""
            if re.search(words, said):
                return said
            time.sleep(0.2)
        raise AssertionError(f"{output} did not say {words!r}:\n{said}")


def end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)


SERVE = ".venv/bin/syncline simulator past --port 9101 | tee past.txt"
# What is done with Business Central instead, in the page's own words; "": it is left out.
INSTEAD = {
    SERVE: ".venv/bin/syncline simulator past --erp business-central --port 9101 | tee past.txt",
    "cp examples/past.toml syncline.toml": "cp examples/past_central.toml syncline.toml",
    "sed -n '/BEGIN/,/END/p' past.txt > netsuite.pem": "",
    "sed -i 's/^slots = 20/slots = 20\\norders_without_external_id = true/' syncline.toml": "",
}


@pytest.mark.parametrize("erp", ["netsuite", "business-central"])
@pytest.mark.skipif(shutil.which("bash") is None, reason="the page's commands are for a shell")
def test_a_stranger_takes_a_shop_over_by_the_page(tmp_path, erp):
    stranger = Stranger(tmp_path)
    steps, serve = commands(), SERVE
    if erp != "netsuite":
        assert set(INSTEAD) <= set(steps)
        assert all(f"`{command}`" in PAGE.read_text() for command in INSTEAD.values() if command)
        steps = [command for step in steps if (command := INSTEAD.get(step, step))]
        serve = INSTEAD[SERVE]
    serves = steps.index(serve)
    runs = steps.index(".venv/bin/syncline run --shadow")
    live = steps.index(".venv/bin/syncline live order_status") + 1
    with ExitStack() as stack:
        stack.callback(end, stranger.start(steps[serves], "terminal.txt"))
        said = stranger.until("past.txt", "orders at the shop")
        assert "in the ERP 57 of them once, 2 never, 1 more than once" in said
        for step in steps[serves + 1 : runs]:
            told = stranger.do(step)
            if step.endswith("--report adoption.json") and erp == "netsuite":
                assert "5 (" in told
                assert "without an external id" in told
        found = json.loads(stranger.do(".venv/bin/syncline adopt --json"))
        (channel,) = found["channels"]
        assert channel["items"]["suggested"] == []
        assert len(channel["items"]["aliases"]) == 6
        assert channel["orders"]["adopt"]["count"] == 11
        assert channel["orders"]["twice"]["count"] == 1
        assert channel["orders"]["leave"]["count"] == 2
        service = stranger.start(steps[runs], "service.txt")
        stack.callback(end, service)
        stranger.until("service.txt", "Syncline listens")
        # In shadow nobody writes: what was ordered meanwhile is nowhere in the ERP.
        stranger.until("past.txt", r"orders at the shop; in the ERP \d+ of them once, [3-9] never, 1 more")
        for step in steps[runs + 1 : live]:
            stranger.do(step)
        # Now it arrives, and nothing of before does again.
        stranger.until(
            "past.txt",
            r"\n(?:6[1-9]|[7-9]\d) orders at the shop; in the ERP \d+ of them once, 2 never, 1 more",
        )
        for step in steps[live:]:
            stranger.do(step)
        parked = json.loads(stranger.do(".venv/bin/syncline parked list --json"))
        assert {entry["reason"] for entry in parked} == {"adopted_twice", "adopted_differs"}
