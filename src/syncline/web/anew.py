"""A way in when no administrator's token is known any more: a new one, made on the server itself while the service is stopped.

Whoever may do this owns the store's files, or knows the database's password, and could change anything there.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from syncline.engine.audit import Audit
from syncline.engine.leases import Lease
from syncline.engine.operations import NotPossible
from syncline.model.errors import Busy, Misconfigured
from syncline.ports import Clock, Store
from syncline.runtime.adopting import write_private
from syncline.runtime.app import OWNER_EMBEDDED, open_store_of
from syncline.runtime.config import StoreConfig
from syncline.web.access import SECRET_BYTES_MIN, Access, Role

BY = "syncline token"  # in the audit log: no account did it
FIRST = "admin"


class Anew(msgspec.Struct, frozen=True):
    """Whose token is new, and the file that has it. No word of it is said: a terminal keeps what it shows."""

    name: str
    file: str


async def token_anew(
    store: StoreConfig, folder: Path, token_file: Path, clock: Clock, name: str = ""
) -> Anew:
    """Give an administrator a new token and write it to the file that the commands use; the one before and its sessions end.

    The file is written whole or not at all. If this is ended between, do it again. Where nobody is an administrator any more,
    an account is made.

    Args:
        store: where the accounts are.
        folder: of the configuration.
        token_file: the file of the token.
        clock: when it was.
        name: whose; by default ``admin``, or the only administrator.

    Raises:
        Misconfigured: there is no such administrator, or the store is in use, not there, or another user's.
    """
    _check_files(store, folder, token_file)
    beside = token_file.with_name(f"{token_file.name}.new")
    write_private(beside, "")  # before anything is changed that it has to tell of
    try:
        opened = await open_store_of(store, folder, clock)
        try:
            lease = Lease(opened, clock, "apply", secrets.token_hex(8) if store.url else OWNER_EMBEDDED)
            await lease.take()
            try:
                chosen, token = await _renewed(opened, clock, name)
            finally:
                await lease.drop()
        finally:
            await opened.close()
        write_private(beside, f"{token}\n")
        beside.replace(token_file)
    except Busy:
        raise Misconfigured(
            "the service works on this store: stop it first (if it was killed, wait half a minute)"
        ) from None
    except NotPossible as error:
        raise Misconfigured(f"{error} {error.mend}") from error
    finally:
        beside.unlink(missing_ok=True)
    return Anew(chosen, str(token_file))


async def _renewed(store: Store, clock: Clock, name: str) -> tuple[str, str]:
    unsigned = secrets.token_bytes(
        SECRET_BYTES_MIN
    )  # nothing is signed here, so the server's own is not needed
    access = Access(store, clock, Audit(store, clock), secret=unsigned, token_bytes=secrets.token_bytes)
    roles = {known: role for known, role, _ in await access.people()}
    admins = sorted(known for known, role in roles.items() if role is Role.ADMIN)
    if not admins:
        return name or FIRST, await access.add(name or FIRST, Role.ADMIN, by=BY)
    chosen = name or (FIRST if FIRST in admins else admins[0])
    if chosen not in admins or (not name and chosen != FIRST and len(admins) > 1):
        who = f"{chosen} is no administrator" if name else "there are several administrators"
        raise Misconfigured(f"{who}: say --account and one of {', '.join(admins[:20])}")
    return chosen, (await access.renew(chosen, by=BY))[1]


def _check_files(store: StoreConfig, folder: Path, token_file: Path) -> None:
    """What another user wrote among the service's files would be unreadable to it.

    Raises:
        Misconfigured: they are somebody else's, or there is no store yet.
    """
    database = folder / store.path
    if not store.url and not database.is_file():
        raise Misconfigured(f"{database} does not exist: the first `syncline run` makes it, and a token")
    for path in (database, token_file):
        if path.exists() and path.stat().st_uid != os.geteuid():
            raise Misconfigured(f"{path} belongs to another user: do this as that one, with sudo -u")
