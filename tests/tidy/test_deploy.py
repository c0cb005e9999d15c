"""What is in `deploy/` can be used as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service")) + sorted(DEPLOY.glob("*.timer"))
PROGRAM = "/opt/syncline/.venv/bin/syncline"
EXPOSURE_MAX = 2.0  # of ten, as systemd counts


def test_there_are_units():
    assert [unit.name for unit in UNITS] == [
        "syncline-backup.service", "syncline.service", "syncline-backup.timer",
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path):
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line], done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_service_may_do_little():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(DEPLOY / "syncline.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for syncline.service: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze cannot judge a file: {done.stderr.strip()}")
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_commands_in_the_units_exist():
    from typer.testing import CliRunner

    from syncline.cli import app

    for unit in UNITS:
        for line in unit.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"ExecStart={PROGRAM} "):
                command = line.split()[1]
                told = CliRunner().invoke(app, [command, "--help"]).output
                for option in re.findall(r"--[a-z-]+", line):
                    assert option in told, f"{unit.name}: {command} has no {option}"


def test_the_image_is_built_from_what_there_is_and_runs_as_nobody_special():
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert "src" in copied and all((ROOT / name).exists() for name in copied)
    assert re.search(r"^USER \d+$", text, re.MULTILINE) and "HEALTHCHECK" in text
    assert "apt-get" not in text and text.count("--only-binary :all:") == 2
