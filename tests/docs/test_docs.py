"""The documents say what is so: commands exist, configurations parse, links resolve, the reference is current."""

from __future__ import annotations

import re
import shutil
import tomllib
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from scripts.reference import __main__ as generator
from scripts.reference.command_line import commands
from scripts.reference.settings import keys

from syncline.cli import app
from syncline.model.errors import Misconfigured
from syncline.planner.choice import planned
from syncline.runtime.config import File, RouteConfig, RuleConfig, ServerConfig, StoreConfig, parse
from syncline.runtime.plan import question_of
from syncline.runtime.registry import connectors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README_LINES_MAX = 90
IMAGE_BYTES_MAX = 300_000
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "src").rglob("README.md"),
    ]
)
DUMMY = "0123456789-a-made-up-secret-0123456789"


class AnyVariable(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, name: str, default: Any = None) -> str:
        return DUMMY

    def __missing__(self, name: str) -> str:
        return DUMMY


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced blocks of a kind, without their indentation."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def code_of(page: Path) -> list[str]:
    """Every line of code: of fenced blocks, and each span in a line of prose."""
    text = page.read_text()
    lines = [
        line
        for block in re.findall(r"^ *```.*?\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return lines + re.findall(r"`([^`\n]+)`", prose)


# --- configuration -----------------------------------------------------------------------------------------


def sections(text: str) -> dict[str, str]:
    """The sections of a configuration by their first line; routes are gathered under one name."""
    found: dict[str, str] = {}
    for part in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
        head = part.partition("\n")[0].partition("#")[0].strip()
        found["[[routes]]" if head.startswith("[[") else head] = (
            found.get("[[routes]]", "") + part if head.startswith("[[") else part
        )
    return found


def whole(text: str) -> str:
    """A part of a configuration, made whole with what it leaves out."""
    given = tomllib.loads(text)
    base = sections((ROOT / "examples" / "simulators.toml").read_text())
    for head, part in base.items():
        kind, _, system = head.strip("[]").partition(".")
        if head and not (kind == "routes" and "routes" in given):
            if system in given.get("systems", {}) or (kind in given and not system):
                continue
            # Orders of Adobe Commerce leave from there, and not from a location of the example's shop.
            mapped = part.replace('"1000001"', '"default"') if "adobe_commerce" in text else part
            text += f"\n{mapped}"
    return text


PLAN = "[volumes]"  # what only a plan has


def test_a_plan_in_the_documents_can_be_kept():
    plans = [block for page in PAGES for block in blocks(page, "toml") if PLAN in block]
    assert plans
    assert [text for text in plans if not planned(question_of(text)).kept] == []


def configurations() -> list[Any]:
    found = [
        pytest.param(block, id=f"{name_of(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page, "toml"))
        if "[project" not in block and "[tool" not in block and PLAN not in block
    ]
    return [
        *found,
        pytest.param((ROOT / "examples" / "simulators.toml").read_text(), id="examples/simulators.toml"),
    ]


@pytest.mark.parametrize("text", configurations())
def test_a_configuration_in_the_documents_parses(text, tmp_path):
    for name in ("netsuite.pem", "netsuite-public.pem"):
        (tmp_path / name).write_text(DUMMY)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres_url").write_text("postgresql://syncline@database/syncline")
    assert parse(whole(text), variables=AnyVariable(), folder=tmp_path).systems


def test_the_configuration_of_the_readme_is_whole(tmp_path):
    (tmp_path / "netsuite.pem").write_text(DUMMY)
    (text,) = blocks(ROOT / "README.md", "toml")
    config = parse(text, variables=AnyVariable(), folder=tmp_path)
    assert [route.flow.value for route in config.routes.all] == ["inventory", "orders", "order_status"]


def test_a_wrong_key_would_be_noticed(tmp_path):
    (tmp_path / "netsuite.pem").write_text(DUMMY)
    text = whole('[[routes]]\nflow="orders"\nfrom="shop"\nto="erp"\ntolerence="1s"\n')
    with pytest.raises(Misconfigured, match="did you mean `tolerance`"):
        parse(text, variables=AnyVariable(), folder=tmp_path)


# --- commands ----------------------------------------------------------------------------------------------


@cache
def tree() -> dict[tuple[str, ...], set[str]]:
    """Every command of ``syncline`` with its options."""
    found = {}
    for path, command in commands(typer.main.get_command(app), ("syncline",)):
        options = {name for parameter in command.params for name in parameter.opts if name.startswith("-")}
        found[path] = options | {"--help"}
    return found


def invocations() -> list[Any]:
    # An account, a service and a container are called so too: `-u syncline`, `--now syncline`.
    other = "".join(rf"(?<!{word} )" for word in ("-u", "-o", "-g", "--now", "--name", "exec"))
    command = re.compile(rf"(?:^|[\s/=;(]){other}syncline((?: [^\s|;#)]+)*)")
    return [
        pytest.param(match[1].split(), id=f"{name_of(page)}: syncline{match[1]}")
        for page in PAGES
        for line in dict.fromkeys(code_of(page))
        if not re.match(r"\s*(#|import|from)\b", line)
        for match in command.finditer(line)
        if re.match(r" -{0,2}[a-z]", match[1])
    ]


@pytest.mark.parametrize("words", invocations())
def test_a_command_in_the_documents_exists(words):
    path: tuple[str, ...] = ("syncline",)
    for word in words:
        if (*path, word) not in tree():
            break
        path = (*path, word)
    assert len(path) > 1 or words[0].startswith("-"), f"no command {' '.join(words)}"
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in tree()[path]]
    assert unknown == []


def test_scripts_in_the_documents_exist():
    named = {
        (name_of(page), path)
        for page in PAGES
        for line in code_of(page)
        for path in re.findall(r"(?:python|bash|cp) ((?:examples|scripts)/\S+)", line)
    }
    assert named
    assert [(page, path) for page, path in named if not (ROOT / path).exists()] == []


def test_make_targets_in_the_readme_and_the_quickstart_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {
        word
        for page in PAGES
        for line in code_of(page)
        for word in re.findall(r"^(?:\$ )?make ([a-z]+)", line.strip())
    }
    assert {"demo", "test"} <= used <= targets


# --- links -------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    heads = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_index():
    index = (DOCS / "README.md").read_text()
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page != DOCS / "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_every_example_is_listed():
    listed = (ROOT / "examples" / "README.md").read_text()
    assert [e.name for e in (ROOT / "examples").glob("[0-9]*") if e.name not in listed] == []


# --- reference ---------------------------------------------------------------------------------------------


def test_the_reference_and_the_included_files_are_current():
    stale = [
        name_of(path) for path, text in generator.pages() if not path.exists() or path.read_text() != text
    ]
    assert stale == [], "run `make docs`"


def test_every_command_is_in_the_reference():
    text = (DOCS / "reference" / "cli.md").read_text()
    assert [path for path in tree() if f"\n## {' '.join(path)}\n" not in text] == []


def test_every_configuration_key_is_in_the_reference():
    text = (DOCS / "reference" / "configuration.md").read_text()
    types = [StoreConfig, ServerConfig, RouteConfig, RuleConfig, *(c.settings for c in connectors().values())]
    names = [name for type_ in types for name, _, _ in keys(type_)]
    assert len(names) > 40
    assert [name for name in names if f"| `{name}` |" not in text] == []
    assert [name for name in File.__struct_fields__ if f"[{name}" not in text] == []


def test_a_stale_page_is_noticed(tmp_path, monkeypatch):
    copied = tmp_path / "reference"
    shutil.copytree(generator.REFERENCE, copied)
    (copied / "states.md").write_text("old\n")
    monkeypatch.setattr(generator, "REFERENCE", copied)
    assert [
        path.name for path, text in generator.pages() if path.parent == copied and path.read_text() != text
    ] == ["states.md"]


# --- form --------------------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


def without_command(text: str) -> list[str]:
    """Lines that are marked as measured and name no command."""
    marked = [line for line in text.splitlines() if re.search(r"(?<!`)<!-- measured -->", line)]
    return [line for line in marked if not re.search(r"`(?:make|bash|python|\.venv/bin/)[^`]+`", line)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_measured_figure_has_its_command_beside_it(page):
    assert without_command(page.read_text()) == []


def test_a_measured_figure_without_a_command_is_noticed():
    assert without_command("<!-- measured --> 4 ms") != []
    assert without_command("<!-- measured --> 4 ms: `make bench ARGS=latency`") == []


@pytest.mark.parametrize("image", sorted((DOCS / "images").iterdir()), ids=lambda image: image.name)
def test_an_image_is_small_and_used(image):
    assert image.stat().st_size < IMAGE_BYTES_MAX
    assert any(image.name in page.read_text() for page in PAGES)
    if image.suffix == ".svg":
        ET.parse(image)
        assert "prefers-color-scheme: dark" in image.read_text()


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_has_a_date_a_status_and_its_three_parts(page):
    text = page.read_text()
    assert re.search(r"^Date: \d{4}-\d\d-\d\d · Status: (accepted|replaced|proposed)", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
