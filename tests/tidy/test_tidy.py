"""Rules about the repository itself, kept by the test run and not by reviewers."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from scripts.run_tests import FOLDERS, SERVERS

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "syncline"
LINES_MAX = 700

# Put together here, so that this file does not contain what it looks for.
BANNED_WORDS = tuple("".join(parts) for parts in (("FIX", "ME"), ("XX", "X"), ("TO", "DO")))
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("npm" + "js", "com"),
    )
)
LOCAL_PATHS = tuple(f"/{name}/" for name in ("ro" + "ot", "ho" + "me", "Us" + "ers", "wo" + "rk"))

UNTRACKED = {".git", ".venv", "out", "build", "dist", "node_modules", "__pycache__"}


@cache
def repository_files() -> tuple[Path, ...]:
    """What is, or would be, committed."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in UNTRACKED and not name.endswith("_cache")]
            paths += [Path(folder) / name for name in names]
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def text_of(path: Path) -> str | None:
    """The text of a file, or nothing for one that is not text."""
    data = path.read_bytes()
    if b"\0" in data[:8192]:
        return None
    return data.decode("utf-8", errors="replace")


def modules() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.py") if "__pycache__" not in path.parts)


def packages() -> list[Path]:
    return sorted({path.parent for path in modules()})


def dotted(path: Path) -> str:
    """``src/syncline/model/errors.py`` is ``syncline.model.errors``."""
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def lines_with(words: tuple[str, ...], paths: list[Path]) -> list[str]:
    pattern = re.compile("|".join(re.escape(word) for word in words))
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in paths
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if (match := pattern.search(line))
    ]


# --- source ------------------------------------------------------------------------------------------------


def test_there_is_source_to_look_at():
    assert len(modules()) > 10


def test_no_source_file_is_longer_than_a_reader_can_hold():
    long = {
        dotted(path): n for path in modules() if (n := len((text_of(path) or "").splitlines())) > LINES_MAX
    }
    assert not long, f"over {LINES_MAX} lines: {long}"


def test_source_promises_nothing_for_later():
    assert lines_with(BANNED_WORDS, [path for path in repository_files() if SRC in path.parents]) == []


def test_every_folder_of_modules_is_a_package_that_says_what_it_is_for():
    silent = []
    for folder in packages():
        init = folder / "__init__.py"
        if not init.exists() or not ast.get_docstring(ast.parse(init.read_text())):
            silent.append(str(folder.relative_to(ROOT)))
    assert silent == []


@pytest.mark.parametrize("module", [dotted(path) for path in modules() if path.name != "__main__.py"])
def test_every_module_imports_and_its_all_is_true(module):
    if module == "syncline.stores.postgres" or module.startswith("syncline.stores.postgres."):
        pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
    if module == "syncline.connectors.files.sftp":
        pytest.importorskip("asyncssh", reason="the sftp extra is not installed")
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert [name for name in names if not hasattr(loaded, name)] == []
    assert len(set(names)) == len(names)


# --- connectors --------------------------------------------------------------------------------------------


def connectors() -> list[Path]:
    return sorted(path.parent for path in (SRC / "connectors").glob("*/manifest.py"))


@pytest.mark.parametrize("folder", connectors(), ids=lambda folder: folder.name)
def test_a_connector_is_complete(folder):
    for name in ("__init__.py", "manifest.py", "client.py", "mapping.py", "README.md"):
        assert (folder / name).is_file(), f"{folder.name} has no {name}"
    assert (folder / "simulator.py").is_file() or (folder / "simulator" / "__init__.py").is_file(), (
        "no simulator"
    )
    tests = ROOT / "tests" / "connectors"
    assert any(tests.glob(f"test_{folder.name}*.py")) or any(tests.glob(f"{folder.name}/test_*.py")), (
        "no tests"
    )


@pytest.mark.parametrize("folder", connectors(), ids=lambda folder: folder.name)
def test_a_connector_is_registered(folder):
    registered = project()["project"]["entry-points"]["syncline.connectors"]
    assert registered.get(folder.name) == f"syncline.connectors.{folder.name}:CONNECTOR"


# --- the repository ----------------------------------------------------------------------------------------


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_no_file_names_a_package_registry():
    assert lines_with(REGISTRY_HOSTS, list(repository_files())) == []


def test_no_file_names_a_place_on_somebodys_machine():
    """A path such as /home/me works for one person. An address on the web may contain anything."""
    pattern = re.compile(r"(?<![\w.:/}-])(?:" + "|".join(re.escape(path) for path in LOCAL_PATHS) + ")")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in repository_files()
        if path != Path(__file__).resolve()
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_there_is_no_second_lock_file():
    assert [path for path in repository_files() if path.name == "uv.lock"] == []


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_help_lists_every_target():
    documented = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert makefile_targets() == documented


def test_every_make_command_in_the_documents_exists():
    """Looked for in `code` and in code blocks, where a line starts with it or a prompt precedes it."""
    command = re.compile(r"(?:`|^\s*(?:\$ )?)make ([a-z][a-z-]*)", re.MULTILINE)
    unknown = [
        f"{path.relative_to(ROOT)}: make {target}"
        for path in repository_files()
        if path.suffix == ".md"
        for target in command.findall("\n".join(code_in(text_of(path) or "")))
        if target not in makefile_targets()
    ]
    assert unknown == []


def code_in(markdown: str) -> list[str]:
    blocks = re.findall(r"^```.*?\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`[^`\n]+`", re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL))
    return blocks + spans


def test_scripts_can_be_run():
    scripts = [path for path in repository_files() if (text_of(path) or "").startswith("#!")]
    assert scripts
    assert [str(path.relative_to(ROOT)) for path in scripts if not os.access(path, os.X_OK)] == []


def test_the_gate_is_one_command():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec make test"


# --- pinned requirements -----------------------------------------------------------------------------------


def pinned(name: str) -> dict[str, str]:
    """Every requirement of a file with its version; fails on one without a hash."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.match(r"([a-z0-9-]+)==(\S+)", line)
        assert match, f"{name}.txt: not a pinned requirement: {line[:80]}"
        assert "--hash=sha256:" in line, f"{name}.txt: {match[1]} has no hash"
        assert match[1] not in found, f"{name}.txt: {match[1]} twice"
        found[match[1]] = match[2]
    return found


def test_a_test_stands_where_its_stage_looks_for_it():
    """A stage looks for its markers in a few folders only; the stage of all others leaves them out."""
    of_servers = SERVERS.split(" or ")
    wrong = [
        f"{path.relative_to(ROOT)}: {marker}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for marker in re.findall(r"\bmark\.(\w+)", path.read_text())
        if marker in (*of_servers, "simulation")
        for stage in ["acceptance" if marker in of_servers else "simulation"]
        if not any(path.is_relative_to(ROOT / folder) for folder in FOLDERS[stage])
    ]
    assert wrong == []


def test_the_requirement_files_agree():
    runtime, dev, build = pinned("runtime"), pinned("dev"), pinned("build")
    assert runtime.items() < pinned("postgres").items() <= dev.items()
    assert build.items() <= dev.items()


def test_every_dependency_is_pinned():
    def names(requirements: list[str]) -> set[str]:
        return {re.match(r"[\w.-]+", text)[0].lower().replace("_", "-") for text in requirements}  # type: ignore[index]

    table = project()
    assert names(table["project"]["dependencies"]) <= pinned("runtime").keys()
    assert names([r for r in table["dependency-groups"]["dev"] if isinstance(r, str)]) <= pinned("dev").keys()
    assert names(table["dependency-groups"]["build"]) <= pinned("build").keys()
    for extra in table["project"]["optional-dependencies"].values():
        assert names(extra) <= pinned("dev").keys()
    assert names(table["project"]["optional-dependencies"]["postgres"]) <= pinned("postgres").keys()
