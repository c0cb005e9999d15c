"""What people install: the wheel alone, into an empty environment, with nothing else on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and its pinned requirements."""

    bin: Path
    wheel: Path
    empty: Path

    def syncline(self, *arguments: str, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the installed command from an empty folder with an empty environment."""
        return subprocess.run(
            [self.bin / "syncline", *arguments],
            cwd=self.empty,
            env={"PATH": str(self.bin), "HOME": str(self.empty), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    base = tmp_path_factory.mktemp("wheel")
    # Without isolation, so that the build uses the pinned hatchling and fetches nothing.
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", base / "dist")
    (wheel,) = (base / "dist").glob("*.whl")

    run(sys.executable, "-m", "venv", base / "venv")
    bin_ = base / "venv" / "bin"
    # Only the environment's own programs are on the PATH: no compiler, no Node, no package manager.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PATH": str(bin_), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    pip = (bin_ / "python", "-m", "pip", "install", "--quiet")
    run(
        *pip,
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
        ROOT / "requirements" / "runtime.txt",
        env=env,
    )
    run(*pip, "--no-deps", "--no-index", wheel, env=env)

    empty = base / "empty"
    empty.mkdir()
    return Installed(bin_, wheel, empty)


def test_the_wheel_holds_all_of_the_source_and_nothing_else(installed):
    source = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "syncline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    packed = set(zipfile.ZipFile(installed.wheel).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == source
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)
    assert "syncline/py.typed" in packed


def test_the_wheel_is_the_same_each_time_it_is_built(installed, tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert (tmp_path / installed.wheel.name).read_bytes() == installed.wheel.read_bytes()


def test_the_environment_is_consistent(installed):
    run(installed.bin / "python", "-m", "pip", "check")


def test_the_command_says_its_version(installed):
    done = installed.syncline("--version")
    assert done.returncode == 0, done.stderr
    version = installed.wheel.name.split("-")[1]
    assert version in done.stdout


def test_the_demo_runs_from_an_empty_folder(installed):
    done = installed.syncline("demo", "--headless", "--for", "5", "--json", "out.json", limit_s=120)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    report = json.loads((installed.empty / "out.json").read_text())
    assert report["orders_placed"] > 0


def test_a_connector_is_written_from_what_the_wheel_holds(installed):
    done = installed.syncline("connector", "new", "acme_shop")
    assert done.returncode == 0, done.stderr
    script = "from acme_shop import CONNECTOR; print(CONNECTOR.title)"
    said = subprocess.run(
        [installed.bin / "python", "-c", script],
        cwd=installed.empty / "acme_shop" / "src",
        env={"PATH": str(installed.bin)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout == "Acme Shop\n", said.stderr
