"""A gradebook in PostgreSQL holds what one in SQLite holds, after every kind of run.

The server is Debian's, over a socket in a folder of its own: it listens on no network.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.grading.run import grade_run

from .conftest import notebook
from .payloads import PAYLOADS, hostile_class
from .work import record_of

pytestmark = pytest.mark.usefixtures("shelf")
HandIn = Callable[..., Path]

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
USER = "postgres" if os.name == "posix" and os.geteuid() == 0 else None
"""The server refuses to run as root."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a new database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not SERVERS:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    owner = USER or pwd.getpwuid(os.geteuid()).pw_name
    if USER:
        os.chown(folder, pwd.getpwnam(USER).pw_uid, -1)

    def do(program: str, *words: str) -> None:
        command = [str(SERVERS[-1].with_name(program)), "-D", str(folder / "data"), *words]
        subprocess.run(command, check=True, user=USER, cwd=folder, stdout=subprocess.DEVNULL)

    do("initdb", "-A", "trust", "--no-sync")
    try:
        do("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses=''")
        yield f"postgresql+psycopg://{owner}@/postgres?host={folder}"
    finally:
        do("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder)


def held(url: str) -> list[tuple[Any, ...]]:
    import sqlalchemy as sql

    with sql.create_engine(url).connect() as connection:
        found = connection.execute(sql.text("select * from grades order by learner, exercise"))
        return [tuple(row) for row in found]


@pytest.mark.root
def test_postgresql_and_sqlite_hold_the_same_gradebook(postgresql: str, hand_in: HandIn, tmp_path: Path) -> None:
    from k8slearn.grading.gradebook import Gradebook

    urls = (postgresql, f"sqlite:///{tmp_path}/grades.db")
    for name, solution in (("alice", "reference.py"), ("bob", "wrong/timeout.py"), ("O'Hara; drop", "reference.py")):
        hand_in(name, notebook(record_of(name, solution)))
    hand_in("mallory", b"\0\xff no notebook")
    told: list[int] = []
    for _ in range(2):
        for url in urls:
            with Gradebook(url) as book:
                grade_run(tmp_path / "submissions", 1, progress=lambda done, total: told.append(done), book=book)
        assert held(urls[0]) == held(urls[1])
        hand_in("bob", notebook(record_of("bob")))
    assert [row[2] for row in held(postgresql)] == [4, 4, 4, 0]


@pytest.mark.root
@pytest.mark.slow
def test_what_learners_write_is_text_in_either_database(postgresql: str, tmp_path: Path) -> None:
    import sqlalchemy as sql

    from k8slearn.grading.gradebook import Gradebook

    urls = (postgresql, f"sqlite:///{tmp_path}/grades.db")
    with sql.create_engine(postgresql).begin() as connection:
        connection.execute(sql.text("drop table if exists grades"))
    everybody = hostile_class(tmp_path)
    for url in urls:
        with Gradebook(url) as book:
            rows = grade_run(everybody, 2, book=book)
    assert len(rows) > len(PAYLOADS) * 6
    by_name = [sorted(held(url)) for url in urls]
    assert by_name[0] == by_name[1]
    assert len(by_name[0]) == len(rows)
    assert sum(row[2] for row in by_name[0]) == sum(row.points for row in rows)
