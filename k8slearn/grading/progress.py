"""What a learner has done so far: every exercise with its points, the lessons' predictions, and the streaks of both.

Each open exercise follows a file in ``.k8slearn`` (`saved`). Progress is read off those files and judged by the
grader's own rules; nothing is written, and nothing leaves the machine. To go on elsewhere, the files travel as one zip.

Left out: exercises whose variant a course signed (their notebooks hold the token and say how they stand).
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading.definition import load
from k8slearn.grading.exercise import Exercise, saving_folder
from k8slearn.grading.inert import as_filename
from k8slearn.grading.judge import judge
from k8slearn.grading.prediction import FILE as PREDICTIONS
from k8slearn.grading.prediction import Predicted, predicted, streak
from k8slearn.grading.saved import goes_on
from k8slearn.grading.shelf import ids
from k8slearn.grading.start import done_in
from k8slearn.grading.variant import learner_name

COLUMNS = ("exercise", "title", "state", "points", "first time")
FOLDER = ".k8slearn"
ZIP = "k8slearn-progress.zip"
MOST_BYTES = 50_000_000
_SAVED = re.compile(r"[a-z0-9][a-z0-9-]*-[A-Za-z0-9._~@+-]+\.jsonl")
DONE, BEGUN, NEW, UNREADABLE = "done", "begun", "not begun", "cannot be read"
SIGNS = {DONE: "✓", BEGUN: "…", NEW: "·", UNREADABLE: "✕"}


@dataclass(frozen=True, slots=True)
class Stand:
    """How one exercise stands. `first_time`: each question of it was answered once, and rightly."""

    id: str
    title: str
    lesson: str
    state: str = NEW
    points: float = 0
    max_points: float = 0
    first_time: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A learner's progress through the whole course, in its order."""

    learner: str
    folder: Path
    stands: tuple[Stand, ...]
    predictions: tuple[Predicted, ...] = ()
    """What was predicted in the lessons of this folder, whoever did it."""

    @property
    def done(self) -> int:
        """How many exercises are done."""
        return sum(stand.state == DONE for stand in self.stands)

    @property
    def points(self) -> float:
        return sum(stand.points for stand in self.stands)

    @property
    def max_points(self) -> float:
        return sum(stand.max_points for stand in self.stands)

    @property
    def streak(self) -> int:
        """The longest run of exercises, in the course's order, that were right the first time."""
        best = run = 0
        for stand in self.stands:
            run = run + 1 if stand.first_time else run if stand.state == NEW else 0
            best = max(best, run)
        return best

    def text(self) -> str:
        """A line for each exercise, and the sums."""
        width = max((len(stand.id) for stand in self.stands), default=0)
        return "\n".join([*(_line(stand, width) for stand in self.stands), "", self.summary()])

    def summary(self) -> str:
        """One sentence."""
        sums = f"{self.done} of {len(self.stands)} exercises done, {self.points:g} of {self.max_points:g} points"
        return f"{self.learner}: {sums}; longest streak right the first time: {self.streak}.{self._predicted()}"

    def _predicted(self) -> str:
        """A sentence about the lessons' predictions, if there are any."""
        if not self.predictions:
            return ""
        right = sum(told.right for told in self.predictions)
        return (
            f" Predictions in lessons: {right} of {len(self.predictions)} right the first time; "
            f"longest streak: {streak(self.predictions)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        stands = [{name: getattr(stand, name) for name in Stand.__slots__} for stand in self.stands]
        sums = {"done": self.done, "points": self.points, "max_points": self.max_points, "streak": self.streak}
        told = {"made": len(self.predictions), "right": sum(one.right for one in self.predictions)}
        predictions = {**told, "streak": streak(self.predictions)}
        return {"learner": self.learner, **sums, "predictions": predictions, "exercises": stands}

    def packed(self) -> bytes:
        """All saved work of the folder as a zip: what `unpack` takes on another machine."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.folder.glob("*.jsonl")):
                archive.writestr(zipfile.ZipInfo(path.name, (1980, 1, 1, 0, 0, 0)), path.read_bytes())
        return target.getvalue()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>{escape(self.summary())}</strong></p>"
            f'<p><a href="{self.link()}" download="{ZIP}">Download your progress</a> to carry it to another machine: '
            f"put the file beside the course there and run <code>k8slearn progress --unpack {ZIP}</code>.</p>"
            f"{self.table()}"
        )

    def link(self) -> str:
        """An address that holds all of the saved work: what a browser downloads, without any server."""
        return f"data:application/zip;base64,{b64encode(self.packed()).decode()}"

    def table(self) -> str:
        """Every exercise as an HTML table."""
        rows = "".join(_row(stand) for stand in self.stands)
        head = "".join(f'<th scope="col">{title}</th>' for title in COLUMNS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def again(self) -> Progress:
        """The same learner's progress as it is now."""
        return _of(self.folder, self.learner)

    def read_in(self, packed: bytes) -> list[str]:
        """Take over what was packed elsewhere; a sentence for each file."""
        return _unpacked(packed, "this file", self.folder)

    def card(self) -> Any:
        """The same as a widget that also reads in what was downloaded elsewhere."""
        from k8slearn.widgets import progress_card

        return progress_card(self)


def progress(directory: str | Path | None = None, learner: str = "learner") -> Progress:
    """How far `learner` has come with the course in this directory (the one that ``k8slearn lab`` was given); None is
    the folder where the lab saves, else this one."""
    return _of(_saves(directory), learner_name(learner))


def _of(folder: Path, name: str) -> Progress:
    stands = tuple(_stand(exercise, name, folder) for exercise in ids())
    return Progress(name, folder, stands, tuple(predicted(folder / PREDICTIONS)))


def _saves(directory: str | Path | None) -> Path:
    """The folder in which exercises are saved."""
    return Path(directory) / FOLDER if directory is not None else saving_folder(None) or Path(FOLDER)


def unpack(archive: str | Path, directory: str | Path | None = None) -> list[str]:
    """Put packed progress into a directory; returns a sentence for each file.

    Work that is there already and differs is kept as ``NAME~`` (``NAME~~`` the next time). Raises `Refused` for what is
    no such zip.
    """
    try:
        packed = Path(archive).read_bytes()
    except OSError as wrong:
        raise Refused(f"{archive} cannot be read: {wrong.strerror or wrong}") from None
    return _unpacked(packed, str(archive), _saves(directory))


def _unpacked(packed: bytes, name: str, folder: Path) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as opened:
            members = opened.infolist()
            strange = next((m.filename for m in members if not _SAVED.fullmatch(m.filename)), None)
            if strange is not None or sum(member.file_size for member in members) > MOST_BYTES:
                raise Refused(f"{name} is no progress of k8slearn: {strange or 'it is too large'}")
            found = {member.filename: opened.read(member) for member in members}
    except (OSError, zipfile.BadZipFile) as wrong:
        raise Refused(f"{name} cannot be read: {wrong}") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_put(folder / member, content) for member, content in found.items()]
    except OSError as wrong:
        raise Refused(f"nothing can be saved in {folder}: {wrong.strerror or wrong}") from None


def _put(path: Path, content: bytes) -> str:
    if path.exists() and path.read_bytes() == content:
        return f"{path.name}: the same is here already"
    if not path.exists():
        path.write_bytes(content)
        return f"{path.name}: taken over"
    kept = path.with_name(path.name + "~")
    while kept.exists():
        kept = kept.with_name(kept.name + "~")
    path.replace(kept)
    path.write_bytes(content)
    return f"{path.name}: taken over; what was here is kept as {kept.name}"


def _stand(exercise: str, learner: str, folder: Path) -> Stand:
    definition = load(exercise)
    new = Stand(exercise, definition.title, definition.lesson, max_points=definition.max_points)
    path = folder / f"{exercise}-{as_filename(learner)}.jsonl"
    if not path.is_file():
        return new
    try:
        return _judged(new, Exercise(definition, learner), path)
    except (Refused, OSError) as wrong:
        return replace(new, state=UNREADABLE, says=str(wrong))


def _judged(new: Stand, exercise: Exercise, path: Path) -> Stand:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = goes_on(exercise.cluster, path)
    if found is None:
        return replace(new, state=UNREADABLE, says="its start is another variant's, or an older version's")
    exercise.cluster = found
    judgement = judge(load(new.id), exercise._record(), exercise.learner)
    given = Counter(str(i.arguments["question"]) for i in done_in(found) if i.kind == "answer")
    once = bool(given) and set(given.values()) == {1}
    begun = bool(done_in(found))
    state = DONE if judgement.done else BEGUN if begun else NEW
    return replace(new, state=state, points=judgement.points if begun else 0, first_time=judgement.done and once)


def _line(stand: Stand, width: int) -> str:
    first = "  right the first time" if stand.first_time else ""
    points = f"{stand.points:g} of {stand.max_points:g}"
    says = f"  ({stand.says})" if stand.says else ""
    return f"{SIGNS[stand.state]} {stand.id:<{width}}  {stand.state:<14} {points:>8}{first}{says}"


def _row(stand: Stand) -> str:
    cells = (
        stand.id,
        stand.title,
        f"{SIGNS[stand.state]} {stand.state}",
        f"{stand.points:g} of {stand.max_points:g}",
        "yes" if stand.first_time else "",
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells) + "</tr>"
