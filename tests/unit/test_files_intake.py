"""Taking files: half-written ones wait, wrong ones are put aside with their reason, hostile ones do no harm."""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile

import pytest
from msgspec.structs import replace
from tests.unit.files_place import STOCK, TRAILED, Desk

from syncline.connectors.files.declared import Column
from syncline.connectors.files.local import LocalFolder
from syncline.model.errors import Retryable
from syncline.ports import Entry, Folder


def reasons(desk: Desk) -> list[str]:
    folder = desk.root / "rejected"
    return [path.read_text() for path in sorted(folder.glob("*.reason.txt"))] if folder.exists() else []


def test_a_file_is_taken_told_and_put_into_the_archive(desks, tmp_path):
    desk = desks(STOCK)
    desk.leave("STOCK_1.csv", "A,MAIN,3", "B,MAIN,4")
    figures, refused, cursor = desk.told()
    assert (figures, refused) == ({"A@MAIN": 3, "B@MAIN": 4}, [])
    assert desk.names("in") == []
    (name,) = desk.names("archive")
    assert name.endswith("-STOCK_1.csv")
    assert desk.told(cursor)[:2] == ({}, [])


@pytest.mark.parametrize("there", [True, False])
def test_the_spool_is_for_its_owner_alone_whatever_the_umask(desks, tmp_path, there):
    """It keeps what partners state of people."""
    if there:
        (tmp_path / "spool").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        desk = desks(STOCK)
        desk.leave("STOCK_1.csv", "A,MAIN,3")
        desk.told()
    finally:
        os.umask(before)
    spool = tmp_path / "spool"
    assert (spool / "journal.sqlite").stat().st_mode & 0o077 == 0
    assert (spool / "content").stat().st_mode & 0o077 == 0
    assert there or spool.stat().st_mode & 0o077 == 0


def test_a_partners_other_files_stay_where_they_are(desks, tmp_path):
    desk = desks(STOCK)
    for name in ("STOCK_1.csv.tmp", ".STOCK_1.csv", "stock_1.csv", "ORDERS_1.csv"):
        desk.leave(name, "A,MAIN,3")
    (desk.root / "in" / "STOCK_2.csv").mkdir()
    assert desk.told()[:2] == ({}, [])
    assert len(desk.names("in")) == 5


# --- complete or not -------------------------------------------------------------------------------


def test_a_line_of_zeros_is_no_end_of_a_file(desks, tmp_path):
    """So ends a file whose last blocks never came to a disk: whoever takes it for whole takes what is missing for gone."""
    desk = desks(STOCK)
    path = desk.leave("STOCK_1.csv", "A,MAIN,3", "B,MAIN,4")
    _, _, cursor = desk.told()
    path.write_bytes(b"SKU,AT,QTY\nA,MAIN,3\n" + b"\0" * 8)
    _, refused, _ = desk.told(cursor)
    assert [why.partition(": ")[2] for why in refused] == ["the line has a control character"]


def test_a_file_that_still_grows_waits(desks, tmp_path):
    desk = desks(replace(STOCK, complete="stable", stable_s=30))
    path = desk.leave("STOCK_1.csv", "A,MAIN,3")

    async def drip() -> None:
        for n in range(6):
            await desk.clock.sleep(20.0)
            with path.open("ab") as file:
                file.write(f"B{n},MAIN,4\n".encode())

    writing = desk.loop.create_task(drip())
    cursor = None
    for _ in range(3):
        figures, refused, cursor = desk.told(cursor)
        assert (figures, refused) == ({}, []), "half a file was taken"
    desk.run(writing)
    figures, refused, _ = desk.told(cursor)
    assert len(figures) == 7 and refused == []


def test_a_file_waits_for_its_sentinel_and_its_checksum(desks, tmp_path):
    desk = desks(replace(STOCK, complete="sentinel", checksum="sha256"))
    path = desk.leave("STOCK_1.csv", "A,MAIN,3")
    sentinel = path.with_name(path.name + ".done")
    figures, _, cursor = desk.told()
    assert figures == {}
    sentinel.write_bytes(b"")
    assert desk.told(cursor)[0] == {}, "an empty sentinel says no checksum yet"
    sentinel.write_text(hashlib.sha256(path.read_bytes()).hexdigest() + "  STOCK_1.csv\n")
    assert desk.told(cursor)[0] == {"A@MAIN": 3}
    assert desk.names("in") == [], "the sentinel is put away as well"


def test_another_checksum_refuses_the_file(desks, tmp_path):
    desk = desks(replace(STOCK, complete="sentinel", checksum="md5"))
    path = desk.leave("STOCK_1.csv", "A,MAIN,3")
    path.with_name(path.name + ".done").write_text("0" * 32)
    figures, refused, _ = desk.told()
    assert figures == {}
    assert "its md5 is" in refused[0] and "STOCK_1.csv" in refused[0]
    assert "the sentinel says 00000000000000000000000000000000" in reasons(desk)[0]


def test_a_missing_trailer_is_waited_for_and_then_refused(desks, tmp_path):
    desk = desks(replace(STOCK, complete="trailer", trailer=TRAILED, stable_s=0, patience_s=600))
    path = desk.leave("STOCK_1.csv", "A,MAIN,3", "B,MAI")
    figures, refused, cursor = desk.told()
    assert (figures, refused, desk.names("in")) == ({}, [], ["STOCK_1.csv"])
    desk.run(desk.clock.sleep(601.0))
    _, refused, cursor = desk.told(cursor)
    assert refused == ["file STOCK_1.csv: its trailer is missing, and nothing was added for 600 s"]
    assert desk.names("in") == [] and len(reasons(desk)) == 1
    desk.leave("STOCK_2.csv", "A,MAIN,3", "B,MAIN,4", "T,2,7")
    assert desk.told(cursor)[0] == {"A@MAIN": 3, "B@MAIN": 4}
    assert not path.exists()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["A,MAIN,3", "B,MAIN,4", "T,3,7"], "trailer in line 4: it says rows '3', but 2 is there"),
        (["A,MAIN,3", "B,MAIN,4", "T,2,8"], "trailer in line 4: it says total '8', but 7 is there"),
        (["A,MAIN,3", "T,1,3", "A,MAIN,3", "T,1,3"], "line 4 stands behind the trailer in line 3"),
        (["A,MAIN,x", "T,1,3"], "line 2: the total cannot be reckoned: 'x' is no number here"),
        (["A,MAIN,3"], "its trailer (T) is missing"),
    ],
)
def test_a_wrong_trailer_refuses_the_whole_file(desks, tmp_path, lines, words):
    desk = desks(replace(STOCK, trailer=TRAILED))
    desk.leave("STOCK_1.csv", *lines)
    figures, refused, _ = desk.told()
    assert figures == {}, "of a file that is not whole nothing is told"
    assert refused == [f"file STOCK_1.csv: {words}"]
    assert reasons(desk) == [f"STOCK_1.csv: {words}\n"]


def test_a_file_from_the_future_is_refused_so_that_those_after_it_are_taken(desks):
    desk = desks(replace(STOCK, stamp="name", stamp_format="%Y%m%d"))
    desk.leave("STOCK_20990101.csv", "A,MAIN,3")
    _, refused, cursor = desk.told()
    assert "h ahead of us" in refused[0]
    desk.leave("STOCK_20260102.csv", "A,MAIN,4")
    assert desk.told(cursor)[0] == {"A@MAIN": 4}


def test_a_sku_may_begin_like_the_trailer(desks):
    desk = desks(replace(STOCK, trailer=TRAILED))
    desk.leave("STOCK_1.csv", "T-SHIRT,MAIN,3", "T,1,3")
    assert desk.told()[0] == {"T-SHIRT@MAIN": 3}


# --- twice -----------------------------------------------------------------------------------------


def test_a_file_left_again_is_taken_once(desks, tmp_path):
    desk = desks(replace(STOCK, stamp="name", stamp_format="%Y%m%d"))
    desk.leave("STOCK_20260101.csv", "A,MAIN,3")
    _, _, cursor = desk.told()
    desk.leave("STOCK_20260102.csv", "A,MAIN,9")
    _, _, cursor = desk.told(cursor)
    desk.leave("STOCK_20260101.csv", "A,MAIN,3")
    assert desk.told(cursor)[:2] == ({}, [])
    assert desk.names("in") == []


def test_an_old_content_under_another_name_is_not_read_and_told(desks, tmp_path):
    desk = desks(STOCK)
    cursor = None
    for name, number in (("1", 3), ("2", 9), ("3", 3)):
        desk.leave(f"STOCK_{name}.csv", f"A,MAIN,{number}")
        figures, refused, cursor = desk.told(cursor)
    assert figures == {}
    assert "it has the same content as STOCK_1.csv" in refused[0]


def test_a_full_file_that_says_the_same_confirms(desks, tmp_path):
    desk = desks(STOCK)
    cursor = None
    for name in "12":
        path = desk.leave(f"STOCK_{name}.csv", "A,MAIN,3")
        os.utime(path, (1_789_999_000 + int(name),) * 2)
        before = cursor
        _, refused, cursor = desk.told(cursor)
    assert before is not None and cursor.covers_ms > before.covers_ms
    assert refused == []


def test_a_file_that_cannot_be_read_holds_no_other_up_and_is_named(desks, monkeypatch):
    desk = desks(replace(STOCK, scope="delta", stamp="name", stamp_format="%Y%m%d"))
    for day in (1, 2, 3):
        desk.leave(f"STOCK_2026010{day}.csv", f"A{day},MAIN,{day}")
    whole = LocalFolder.read

    async def read(self, path, name):
        if name == "STOCK_20260102.csv":
            raise Retryable(f"{name}: permission denied")
        async for piece in whole(self, path, name):
            yield piece

    monkeypatch.setattr(LocalFolder, "read", read)
    figures: dict[str, int] = {}
    covers: list[int] = []

    async def poll() -> None:
        async for page in desk.source.poll("stock_changes", None):
            figures.update(desk.decoded(list(page.events))[0])
            covers.append(page.cursor.covers_ms)

    with pytest.raises(Retryable, match=r"STOCK_20260102\.csv: permission denied"):
        desk.run(poll())
    assert figures == {"A1@MAIN": 1, "A3@MAIN": 3}
    assert set(covers) == {0}, "nothing is confirmed while a file cannot be read"
    monkeypatch.undo()
    assert desk.told(None, "stock_changes")[0] == {"A1@MAIN": 1, "A2@MAIN": 2, "A3@MAIN": 3}


# --- hostile ---------------------------------------------------------------------------------------

NAMES = (
    "STOCK_..%2f..%2fetc.csv",
    "STOCK_\u202egpj.csv",
    "STOCK_" + "x" * 240 + ".csv",
    "STOCK_\n.csv",
    "STOCK_\\..\\x.csv",
    "STOCK_CON.csv",
    "STOCK_é.csv",
    "STOCK_$(id).csv",
    "STOCK_;rm.csv",
    "STOCK_-rf.csv",
)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_never_a_path_of_ours(desks, tmp_path, name):
    desk = desks(STOCK)
    desk.leave(name, "A,MAIN,3")
    desk.told()
    ours = [path.name for path in (tmp_path / "spool").rglob("*")]
    assert ours, "nothing to check"
    assert not [each for each in ours if "STOCK" in each]
    put_away = desk.names("archive") + desk.names("rejected")
    assert put_away and all(each.isascii() and "/" not in each and len(each) < 150 for each in put_away)
    assert desk.names("in") == []


def test_bytes_that_are_no_text_are_no_name(desks, tmp_path):
    desk = desks(STOCK)
    (desk.root / "in" / os.fsdecode(b"STOCK_\xff.csv")).write_bytes(b"SKU,AT,QTY\nA,MAIN,3\n")
    figures, refused, _ = desk.told()
    assert figures == {} and "its name cannot be used" in refused[0]
    assert desk.names("in") == []


class Lying(Folder):
    """A place that lists names of its own making, as a hostile server can."""

    def __init__(self, inner: Folder, names: tuple[str, ...]) -> None:
        self._inner, self._names = inner, names
        self.moved: list[str] = []

    async def list(self, path):
        return [Entry(f"STOCK_{name}.csv", 3, 1) for name in self._names]

    async def read(self, path, name):
        raise AssertionError(f"{name!a} was read")
        yield b""

    async def find(self, path, name):
        return None

    async def stage(self, path, name, body):
        assert "/" not in name

    async def staged(self, path, name):
        return False

    async def publish(self, path, name, body):
        assert "/" not in name

    async def move(self, path, name, to, new_name):
        self.moved.append(name)
        assert "/" not in new_name


def test_a_listing_of_paths_touches_nothing(desks, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("here")
    names = ("/../../victim", "../victim", "a/b", "\0", "a\0b", f"/{victim}", "x" * 4096, "..\\..\\x")
    desk = desks(STOCK, keep_days=1)
    lying: list[Lying] = []
    desk.around = lambda inner: lying.append(Lying(inner, names)) or lying[-1]
    desk.spool.close()
    desk.start()
    _, refused, cursor = desk.told()
    assert len(refused) == len(names) and all("its name cannot be used" in each for each in refused)
    assert not [name for name in lying[0].moved if "/" in name or "\0" in name]
    desk.run(desk.clock.sleep(3 * 86_400.0))
    assert desk.told(cursor)[:2] == ({}, []), "told once"
    assert victim.read_text() == "here"
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"content", "incoming", "journal.sqlite"}


def test_links_are_not_followed(desks, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("SKU,AT,QTY\nSECRET,MAIN,3\n")
    desk = desks(STOCK)
    (desk.root / "in" / "STOCK_1.csv").symlink_to(secret)
    assert desk.told()[:2] == ({}, [])


def test_a_folder_that_became_a_link_is_not_followed(desks, tmp_path):
    desk = desks(STOCK)
    (desk.root / "in").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (desk.root / "in").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Retryable, match="leads out of"):
        desk.told()


@pytest.mark.parametrize(
    ("change", "lines", "words"),
    [
        ({"file_bytes_max": 100}, ["A,MAIN,3"] * 20, "more than 100 (file_bytes_max)"),
        ({"row_bytes_max": 50}, ["A" * 60 + ",MAIN,3"], "line 2 is longer than 50 bytes (row_bytes_max)"),
        ({"rows_max": 5}, [f"A{n},MAIN,3" for n in range(9)], "more than 5 rows (rows_max)"),
        (
            {"bad_rows_max": 3},
            [f"A{n},MAIN,x" for n in range(4)],
            "4 lines are wrong, more than 3 (bad_rows_max)",
        ),
    ],
)
def test_a_bomb_is_refused_within_its_limit(desks, tmp_path, change, lines, words):
    desk = desks(replace(STOCK, **change))
    desk.leave("STOCK_1.csv", *lines)
    figures, refused, cursor = desk.told()
    assert figures == {}
    assert len(refused) == 1 and words in refused[0]
    desk.leave("STOCK_2.csv", "A,MAIN,3")
    assert desk.told(cursor)[0] == {"A@MAIN": 3}


def test_packed_files_are_refused(desks, tmp_path):
    desk = desks(STOCK)
    inbox = desk.root / "in"
    (inbox / "STOCK_1.csv").write_bytes(gzip.compress(b"0" * 10_000_000))
    with zipfile.ZipFile(inbox / "STOCK_2.csv", "w") as packed:
        packed.writestr("x", "y")
    _, refused, _ = desk.told()
    assert ["packed (gzip)" in refused[0], "packed (zip)" in refused[1]] == [True, True]


def test_an_xml_bomb_is_refused_and_xml_is_compared_like_anything_else(desks, tmp_path):
    read = replace(
        STOCK,
        pattern="STOCK_*.xml",
        format="xml",
        record="s/r",
        columns=(Column("sku", name="@sku"), Column("quantity", name="q"), Column("location", value="MAIN")),
    )
    desk = desks(read)
    inbox = desk.root / "in"
    (inbox / "STOCK_0.xml").write_text('<!DOCTYPE s [<!ENTITY a "b">]><s><r sku="&a;"/></s>')
    row = '<r sku="{}">\n<q>{}</q></r>'
    (inbox / "STOCK_1.xml").write_text("<s>" + row.format("A", 3) + row.format("B", "x") + "</s>")
    figures, refused, cursor = desk.told()
    assert figures == {"A@MAIN": 3}
    assert (
        "DOCTYPE" in refused[0]
        and refused[1] == "line 2 of STOCK_1.xml: field quantity: 'x' is no number here"
    )
    (inbox / "STOCK_2.xml").write_text("<s>" + row.format("A", 3) + row.format("B", 5) + "</s>")
    assert desk.told(cursor)[0] == {"A@MAIN": 3, "B@MAIN": 5}


def test_one_wrong_line_is_parked_alone_and_named(desks, tmp_path):
    desk = desks(STOCK)
    desk.leave("STOCK_1.csv", "A,MAIN,3", "B,MAIN,some", 'C,"MAIN,1', "A,MAIN,9", "D,MAIN,4")
    figures, refused, _ = desk.told()
    assert figures == {"A@MAIN": 3, "D@MAIN": 4}
    assert sorted(refused) == [
        "line 3 of STOCK_1.csv: field quantity: 'some' is no number here",
        "line 4 of STOCK_1.csv: cell 2 opens a quote that does not close on its line",
        "line 5 of STOCK_1.csv: A at MAIN stands in the file a second time",
    ]
