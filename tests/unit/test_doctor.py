"""Each thing that can be wrong with an installation is named, with why it matters and how to mend it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import apsw
import pytest
import typer
from tests.unit.support import START_MS

from syncline.cli import doctor as command
from syncline.model.change import Event, Via
from syncline.ports import Response
from syncline.runtime import doctor
from syncline.runtime.doctor import examine
from syncline.stores.held import Health
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore, health

DAY_MS = 86_400_000
CONFIG = """routes = []
[store]
path = "syncline.sqlite"
[systems.shop]
connector = "shopify"
shop = "made-up.myshopify.com"
access_token = "file:token.txt"
"""


class StillClock:
    def now_ms(self) -> int:
        return START_MS

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Time stands still."""


class Vendor:
    """Refuses every token, and has a clock of its own."""

    def __init__(self, ahead_s: int = 0) -> None:
        self._date = format_datetime(datetime.fromtimestamp(START_MS / 1000 + ahead_s, UTC), usegmt=True)

    async def send(self, request):
        return Response(401, {"date": self._date}, b"{}")


@pytest.fixture
def config(tmp_path):
    (tmp_path / "token.txt").write_text("shpat_made_up")
    (tmp_path / "token.txt").chmod(0o600)
    store = SqliteStore.open(str(tmp_path / "syncline.sqlite"), now_ms=START_MS)
    store._connection.close()
    (tmp_path / "syncline.sqlite").chmod(0o600)
    path = tmp_path / "syncline.toml"
    path.write_text(CONFIG)
    return path


async def faults(config, vendor=None) -> list[tuple[str, str]]:
    found = await examine(config, StillClock(), Random(1), vendor or Vendor())
    wrong = [one for one in found if not one.ok]
    assert all(one.why and one.mend for one in wrong)
    return [(one.area, one.what) for one in wrong]


async def test_only_the_refused_credential_is_wrong_here(config):
    assert await faults(config) == [("system", "shop: access token")]


async def test_a_service_that_runs_is_no_fault_and_is_not_disturbed(config):
    store = await LiveSqliteStore.open(str(config.with_name("syncline.sqlite")), now_ms=START_MS)
    found = await examine(config, StillClock(), Random(1), Vendor())
    await store.append([Event("shop", "t", "e", Via.EVENT, START_MS, b"")], received_at_ms=START_MS)
    await store.close()
    assert any("in use by process" in one.what and one.ok for one in found)
    assert health.owner_of(str(config.with_name("syncline.sqlite"))) == ""


async def test_a_clock_that_is_off_or_was_set_back(config):
    assert ("clock", "made-up.myshopify.com is 90 s ahead") in await faults(config, Vendor(90))
    assert ("clock", "made-up.myshopify.com is 90 s behind") in await faults(config, Vendor(-90))
    store = SqliteStore.open(str(config.with_name("syncline.sqlite")), now_ms=START_MS)
    await store.append([Event("shop", "t", "e", Via.EVENT, 0, b"")], received_at_ms=START_MS + 3_600_000)
    await store.close()
    assert any("3600 s in the future" in what for area, what in await faults(config) if area == "clock")


@pytest.mark.parametrize(("off_s", "ok"), [(0, True), (10, True), (-10, True), (11, False), (-11, False)])
def test_a_database_whose_clock_is_not_ours(off_s, ok):
    seen = Health("PostgreSQL", clock_ms=START_MS + off_s * 1_000)
    clock = next(one for one in doctor.store_findings(seen, START_MS) if one.area == "clock")
    assert clock.ok is ok and bool(clock.mend) is not ok
    assert clock.what == f"the database server is {abs(off_s)} s {'ahead' if off_s > 0 else 'behind'}"
    embedded = doctor.store_findings(Health("SQLite"), START_MS)
    assert not any(one.area == "clock" for one in embedded), "there is no other clock"


async def test_a_damaged_store(config):
    path = config.with_name("syncline.sqlite")
    data = bytearray(path.read_bytes())
    data[8192 * 2 : 8192 * 12] = b"\x5a" * 8192 * 10
    path.write_bytes(data)
    assert [area for area, _ in await faults(config)][:1] == ["store"]


async def test_a_store_that_is_not_there_and_a_configuration_that_is_not(config):
    config.with_name("syncline.sqlite").unlink()
    assert any("does not exist" in what for _, what in await faults(config))
    config.unlink()
    assert [area for area, _ in await faults(config)] == ["configuration"]


async def test_a_network_file_system(config, monkeypatch):
    def refuse(path):
        from syncline.model.errors import Misconfigured

        raise Misconfigured(f"{path} is on nfs4")

    monkeypatch.setattr(health, "check_file_system", refuse)
    assert any("nfs4" in what for area, what in await faults(config) if area == "store")


async def test_migrations_that_a_running_service_does_not_know(config):
    path = config.with_name("syncline.sqlite")
    other = apsw.Connection(str(path))
    other.execute("DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)")
    assert not any("migration" in what for _, what in await faults(config)), "the next start applies it"
    lock = await _held(path)
    assert any("1 migrations are pending" in what for area, what in await faults(config) if area == "store")
    lock.close()


async def _held(path):
    from syncline.stores.sqlite.writer import lock_database

    return lock_database(str(path))


async def test_files_that_others_may_read(config):
    for name in ("token.txt", "syncline.sqlite"):
        config.with_name(name).chmod(0o644)
    secrets = [what for area, what in await faults(config) if area == "secrets"]
    assert len(secrets) == 2 and all("mode 0644" in what for what in secrets)


@pytest.mark.parametrize(
    ("size", "span_ms", "free", "ok"),
    [
        (1_000_000_000, 10 * DAY_MS, 2_000_000_000, True),  # 20 days
        (1_000_000_000, 10 * DAY_MS, 1_300_000_000, False),  # 13 days
        (1_000, 10 * DAY_MS, 500_000_000, False),  # for ever, but hardly anything
        (1_000_000_000, 0, 600_000_000, True),  # nothing is known of a rate yet
    ],
)
def test_a_disk_that_fills(size, span_ms, free, ok):
    seen = Health("SQLite", size_bytes=size, first_ms=START_MS, last_ms=START_MS + span_ms)
    assert doctor.disk_finding(seen, free).ok is ok


@pytest.mark.parametrize("json_wanted", [True, False])
def test_the_command_ends_with_1_where_something_is_wrong(tmp_path, capsys, json_wanted):
    with pytest.raises(typer.Exit) as ended:
        command.doctor(config=tmp_path / "none.toml", json=json_wanted)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().out
    if json_wanted:
        assert [one["area"] for one in json.loads(said) if not one["ok"]] == ["configuration"]
    else:
        assert "FAIL  configuration" in said and "mend: " in said
