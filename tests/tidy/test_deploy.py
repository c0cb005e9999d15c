"""What is in `deploy/` can be used as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from syncline.runtime.config import server_of, store_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service")) + sorted(DEPLOY.glob("*.timer"))
PROGRAM = "/opt/syncline/.venv/bin/syncline"
EXPOSURE_MAX = 2.0  # of ten, as systemd counts
KEYS = {  # of a service in the Compose specification, as far as they are used: a misspelt one would be refused, or do nothing
    "build", "cap_drop", "depends_on", "environment", "healthcheck", "image", "networks", "ports", "read_only",
    "restart", "secrets", "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip


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


# --- Syncline and PostgreSQL together ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_the_compose_file_names_only_what_it_has(compose):
    assert set(compose) == {"name", "services", "networks", "volumes", "secrets"}
    assert set(compose["services"]) == {"syncline", "database"}
    for name, service in compose["services"].items():
        assert set(service) <= KEYS, name
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        for volume in service["volumes"]:
            source, target = volume.split(":")
            assert source in compose["volumes"] or source.startswith("./")
            assert target.startswith("/var/lib/")
    used = [name for service in compose["services"].values() for name in service.get("secrets", ())]
    assert sorted(used) == sorted(compose["secrets"])
    waits = compose["services"]["syncline"]["depends_on"]["database"]["condition"]
    assert waits == "service_healthy" and compose["services"]["database"]["healthcheck"]["test"]


def test_the_compose_file_fits_the_image(compose):
    syncline = compose["services"]["syncline"]
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    build = syncline["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Containerfile"
    for name, value in build["args"].items():
        assert re.search(rf"^ARG {name}=", text, re.MULTILINE)
        assert (ROOT / "requirements" / f"{value}.txt").exists()
    assert f"VOLUME {syncline['volumes'][0].split(':')[1]}" in text
    assert f"EXPOSE {syncline['ports'][0].rsplit(':', 1)[1]}" in text


def test_nobody_reaches_the_database_and_the_service_only_from_this_machine(compose):
    syncline, database = compose["services"]["syncline"], compose["services"]["database"]
    assert "ports" not in database and database["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert all(port.startswith("127.0.0.1:") for port in syncline["ports"])
    assert syncline["read_only"] is True and syncline["cap_drop"] == ["ALL"]
    for service in (syncline, database):
        assert "no-new-privileges:true" in service["security_opt"]
        told = str(service.get("environment", {}))
        assert "POSTGRES_PASSWORD'" not in told  # by a file only
        assert ":latest" not in service["image"]


def test_the_settings_that_go_with_the_compose_file_name_its_database(compose, tmp_path):
    page = (ROOT / "docs/howto/run-in-production.md").read_text(encoding="utf-8")
    (settings,) = [
        text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "postgres_url" in text
    ]
    (printed,) = re.findall(r"printf '(\S+)'", page)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres_url").write_text(printed.replace("%s", "0a1b"), encoding="utf-8")
    config = tmp_path / "syncline.toml"
    config.write_text(settings, encoding="utf-8")
    assert server_of(config).host == "0.0.0.0"
    url = urlsplit(store_of(config)[0].url)
    database = compose["services"]["database"]["environment"]
    assert (url.username, url.path) == (database["POSTGRES_USER"], f"/{database['POSTGRES_DB']}")
    assert url.hostname in compose["services"]
    volume = compose["services"]["syncline"]["volumes"][0].split(":")[0].removeprefix("./")
    kept = compose["secrets"][database["POSTGRES_PASSWORD_FILE"].rpartition("/")[2]]["file"].removeprefix(
        "./"
    )
    assert kept.startswith(f"{volume}/") and f"deploy/{kept}" in page
