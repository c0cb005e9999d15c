"""A file system of its own, which a test can fill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.stage import Stage


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small file system at a folder; where none can be mounted, the test is skipped."""
    folder.mkdir()
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("only root can mount a file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "none", str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def full_for_a_while(stage: Stage, folder: Path) -> None:
    """Nothing is acknowledged that is not on disk: three events at least are refused until there is room again."""
    filler = folder / "filler"
    fill(filler)
    before = stage.acknowledged.statuses[503]
    for _ in range(200):
        if stage.acknowledged.statuses[503] >= before + 3:
            break
        await asyncio.sleep(0.1)
    assert stage.acknowledged.statuses[503] >= before + 3, stage.tail()
    assert shutil.disk_usage(folder).free == 0
    filler.unlink()


def fill(path: Path) -> None:
    """Write until nothing more goes, to the last byte."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (1024 * 1024, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(handle, bytes(size))
    finally:
        os.close(handle)
