"""`syncline connector new`: a package that works as it is, and the names that it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncline.cli import app
from syncline.cli.init import ROUTES, configuration
from syncline.cli.scaffold import LAYOUT, scaffold
from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.model.errors import Misconfigured
from syncline.testing.kiosk import CONNECTOR as KIOSK
from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance

SRC = Path(__file__).resolve().parents[2] / "src"
TEMPLATE = SRC / "syncline" / "testing" / "kiosk"


def python(folder: Path, *arguments: str) -> str:
    """Run Python in a folder with Syncline beside it and nothing else of this repository; returns what it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": os.pathsep.join([str(SRC), str(folder / "src")])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture
def folder(tmp_path) -> Path:
    told = CliRunner().invoke(
        app, ["connector", "new", "acme_shop", "--title", "Acme's Shop", "--into", str(tmp_path / "made")]
    )
    assert told.exit_code == 0, told.output
    assert str(tmp_path / "made" / "acme_shop") in told.output
    return tmp_path / "made" / "acme_shop"


def test_a_new_connector_passes_its_own_tests(folder):
    said = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    passed, skipped = (int(re.search(rf"(\d+) {word}", said)[1]) for word in ("passed", "skipped"))
    assert "failed" not in said and "error" not in said.lower()
    suites = (SourceConformance, SinkConformance, SimulatorConformance)
    assert passed + skipped == sum(len(suite.conformance_tests()) for suite in suites)
    assert passed > skipped


def test_a_new_connector_is_only_its_own(folder):
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(written) == len(LAYOUT)
    for path in written:
        told = f"{path.relative_to(folder)}\n{path.read_text()}"
        assert "kiosk" not in told.lower()
        # Besides what it tests with, a connector imports these three.
        if path.parent.name == "acme_shop":
            found = set(re.findall(r"^from syncline\.(\w+)", told, re.MULTILINE))
            assert found <= {"model", "ports", "sdk"}, path


def test_a_new_connector_can_be_registered_and_offered(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "syncline-acme-shop"
    (entry,) = project["project"]["entry-points"]["syncline.connectors"].items()
    assert entry == ("acme_shop", "acme_shop:CONNECTOR")
    script = (
        "from acme_shop import CONNECTOR as c; "
        "print(c.name, c.title, c.settings.__name__, c.sample.part, sep='|'); print(c.sample.settings)"
    )
    names, _, sample = python(folder, "-c", script).partition("\n")
    assert names == "acme_shop|Acme's Shop|AcmeShopSettings|channel"
    assert tomllib.loads(sample) == {"url": "https://acme-shop.example", "token": "env:ACME_SHOP_TOKEN"}


def test_a_new_connector_can_be_built(folder, tmp_path):
    # With the hatchling that is installed, so that nothing is fetched.
    python(folder, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = [name for name in packed.namelist() if ".dist-info/" not in name]
        (entries,) = (name for name in packed.namelist() if name.endswith("/entry_points.txt"))
        assert "acme_shop = acme_shop:CONNECTOR" in packed.read(entries).decode()
    assert names == [f"acme_shop/{name}.py" for name in ("__init__", "connector", "simulator")]


def test_every_file_of_the_template_is_written():
    there = {path.name for path in TEMPLATE.iterdir() if path.name != "__pycache__"}
    assert there == set(LAYOUT)


def test_init_offers_it():
    text = configuration({"netsuite": NETSUITE, "kiosk": KIOSK}, "netsuite", ["kiosk"], list(ROUTES))
    systems = tomllib.loads(text)["systems"]
    assert systems["shop"] == {
        "connector": "kiosk",
        "url": "https://kiosk.example",
        "token": "env:KIOSK_TOKEN",
    }


def test_without_a_title_it_is_made_from_the_name(tmp_path):
    made = scaffold("acme_shop", "", tmp_path, ())
    assert 'Connector("acme_shop", "Acme Shop", ' in (made / "src/acme_shop/connector.py").read_text()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Acme-Shop", "such as acme_shop"),
        ("", "such as acme_shop"),
        ("../acme", "such as acme"),
        ("2acme", "such as acme"),
        ("acme__shop", "small letters"),
        ("acme_", "small letters"),
        ("a" * 41, "at most 40"),
        ("ämter", "such as mter"),
        ("class", "class_shop"),
        ("json", "json_shop"),
        ("syncline", "syncline_shop"),
        ("bench", "bench_shop"),
        ("tests", "tests_shop"),
        ("shopify", "installed already"),
    ],
)
def test_a_name_that_cannot_work_is_refused_and_says_what_to_do(name, says, tmp_path):
    with pytest.raises(Misconfigured, match=re.escape(says)):
        scaffold(name, "", tmp_path, {"shopify"})
    assert list(tmp_path.iterdir()) == []


def test_the_command_knows_which_names_are_taken(tmp_path):
    told = CliRunner().invoke(app, ["connector", "new", "netsuite", "--into", str(tmp_path)])
    assert isinstance(told.exception, Misconfigured) and "installed already" in str(told.exception)


@pytest.mark.parametrize("title", ['Acme"', "Acme\\", "Acme\nShop", "x" * 61, "{acme}"])
def test_a_title_that_would_break_a_file_is_refused(title, tmp_path):
    with pytest.raises(Misconfigured, match="title"):
        scaffold("acme_shop", title, tmp_path, ())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path):
    (tmp_path / "acme_shop").mkdir()
    with pytest.raises(Misconfigured, match="--into"):
        scaffold("acme_shop", "", tmp_path, ())
    assert list((tmp_path / "acme_shop").iterdir()) == []
    (tmp_path / "acme").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Misconfigured, match="exists already"):
        scaffold("acme", "", tmp_path, ())


def test_a_name_is_not_replaced_in_a_name(tmp_path):
    made = scaffold("kiosk_two", "Our Kiosk", tmp_path, ())
    text = (made / "src/kiosk_two/connector.py").read_text()
    assert 'Connector("kiosk_two", "Our Kiosk", KioskTwoSettings,' in text
    assert "kiosk_two_two" not in text
