"""What was graded before: a table that can be queried, and from which a run goes on.

One row per learner and exercise, in SQLite or whatever `SQLAlchemy <https://docs.sqlalchemy.org>`_ has an address for
(``postgresql+psycopg://…``). Beside the grade stands a digest of everything that decided it (the notebook, the
exercise's files, the hidden checks, the token, the engine's version): a submission whose digest is still the same
is not graded again. So a run that was interrupted goes on, and after a check is mended that exercise alone is graded
anew.

Left out: earlier grades; a row is replaced. What broke a limit is tried again each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from k8slearn import __version__
from k8slearn.errors import Refused
from k8slearn.grading import shelf
from k8slearn.grading.judge import Judgement, Verdict
from k8slearn.grading.notebook import contents
from k8slearn.grading.row import Row, Task
from k8slearn.journal import digest


def of(task: Task, checks: dict[str, str]) -> str:
    """The digest of everything that decides this task's grade; "" when the notebook cannot be read."""
    assert task.path is not None
    try:
        notebook = sha256(contents(task.path, task.member)).hexdigest()
    except Refused:
        return ""
    if task.exercise not in checks:
        folders = [shelf.find(task.exercise)] if task.exercise in shelf.ids() else []
        folders += [task.hidden / task.exercise] if task.hidden else []
        checks[task.exercise] = digest("exercise", *_files(folders), length=32)
    told = (ascii(task.learner), task.token, *map(ascii, task.copies))
    return digest("grade", __version__, *told, notebook, checks[task.exercise], length=32)


def _files(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            yield path.relative_to(folder).as_posix()
            yield sha256(path.read_bytes()).hexdigest()


class Gradebook:
    """The grades in a database. Used as a context: what was remembered is kept also when the run is interrupted."""

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy as sql
        except ImportError:
            raise Refused("a gradebook needs SQLAlchemy: pip install 'k8slearn[grade]'") from None
        self._sql = sql
        names = ("status", "message", "decided", "judgement")
        self._grades = sql.Table(
            "grades",
            sql.MetaData(),
            sql.Column("learner", sql.Text, primary_key=True),
            sql.Column("exercise", sql.Text, primary_key=True),
            sql.Column("points", sql.Float, nullable=False),
            sql.Column("max_points", sql.Float, nullable=False),
            *(sql.Column(name, sql.Text, nullable=False) for name in names),
        )
        try:
            self._connection = sql.create_engine(url).connect()
            self._grades.metadata.create_all(self._connection)
            self._connection.commit()
        except (sql.exc.SQLAlchemyError, ImportError) as wrong:
            raise Refused(f"the gradebook cannot be opened: {str(wrong).splitlines()[0][:200]}") from wrong

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *ended: object) -> None:
        self._connection.commit()
        self._connection.close()
        self._connection.engine.dispose()

    def known(self) -> dict[str, Row]:
        """Digest -> the row that it decided."""
        found = self._connection.execute(self._sql.select(self._grades)).mappings()
        return {row["decided"]: _row(row) for row in found if row["decided"] and row["status"] != "limit"}

    def remember(self, row: Row, decided: str) -> None:
        """Put one grade in the place of the one before it."""
        keys = {"learner": _storable(row.learner), "exercise": _storable(row.exercise)}
        judgement = json.dumps(asdict(row.judgement), sort_keys=True) if row.judgement else ""
        same = [self._grades.c[name] == value for name, value in keys.items()]
        self._connection.execute(self._grades.delete().where(*same))
        self._connection.execute(
            self._grades.insert().values(
                **keys,
                points=row.points,
                max_points=row.max_points,
                status=row.status,
                message=_storable(row.message),
                decided=decided,
                judgement=judgement,
            )
        )

    def keep(self) -> None:
        """What was remembered so far outlives this process."""
        self._connection.commit()


def _storable(text: str) -> str:
    """PostgreSQL stores neither NUL nor a surrogate."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _row(found: Any) -> Row:
    plain = {name: found[name] for name in ("learner", "exercise", "points", "max_points", "status", "message")}
    if not found["judgement"]:
        return Row(**plain)
    held = json.loads(found["judgement"])
    held |= {"verdicts": tuple(Verdict(**v) for v in held["verdicts"]), "odd": tuple(held["odd"])}
    return Row(**plain, judgement=Judgement(**held))
