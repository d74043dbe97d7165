"""``k8slearn check --watch``: an author saves a file, and what it belongs to is checked again.

The files of the exercises and the texts of the course are looked at once a second: a file's time and size say whether
it changed. Only the exercise or lesson that it belongs to is checked.

Left out: being told by the kernel (inotify), which a library would have to bring; a second is soon enough here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from k8slearn.errors import Refused

Stamps = dict[str, frozenset[tuple[str, int, int]]]
"""What is watched (an exercise's name, or the path of a text) -> its files, each with its time and size."""


def watch(exercises: list[str]) -> int:
    """Check what changes until the author interrupts; of these exercises only, or of everything if there are none."""
    print("watching; Ctrl-C ends it", flush=True)
    for line in told(looks(exercises)):
        print(line, flush=True)
    return 0


def looks(exercises: list[str]) -> Iterator[Stamps]:
    """What is there, once a second."""
    while True:
        yield stamps(exercises)
        time.sleep(1)


def told(seen: Iterable[Stamps]) -> Iterator[str]:
    """The sentences for what changed between each look and the next."""
    before: Stamps | None = None
    for now in seen:
        for name in changed(before, now) if before is not None else ():
            yield from _checked(name)
        before = now


def changed(before: Stamps, now: Stamps) -> list[str]:
    """What is new or is not as it was, in order; what is gone needs no check."""
    return sorted(name for name, files in now.items() if before.get(name) != files)


def stamps(exercises: list[str]) -> Stamps:
    """How every watched file looks now."""
    from k8slearn import lab, weave
    from k8slearn.grading.shelf import ids, shelf

    found = {name: _stamped((shelf() / name).rglob("*")) for name in exercises or ids()}
    course = lab.course()
    if not exercises and (course / "text").is_dir():
        found |= {str(text): _stamped([text]) for text, _ in weave.lessons(course)}
    return found


def _stamped(paths: Iterable[Path]) -> frozenset[tuple[str, int, int]]:
    found = set()
    for path in paths:
        try:
            state = path.stat()
        except OSError:  # an editor has moved it away, and will put another one in its place
            continue
        if path.is_file() and "__pycache__" not in path.parts:
            found.add((str(path), state.st_mtime_ns, state.st_size))
    return frozenset(found)


def _checked(name: str) -> Iterator[str]:
    """What the laws, or the weaver, say of one thing; a file that cannot be read half-way through is a sentence too."""
    from k8slearn.grading.definition import read_folder
    from k8slearn.grading.laws import broken_laws

    read_folder.cache_clear()
    try:
        if name.endswith(".md"):
            yield _woven(Path(name))
        else:
            yield from broken_laws(name) or [f"{name}: the five laws hold"]
    except Refused as wrong:
        yield " ".join(str(wrong).split())
    except Exception as wrong:  # the author's own Python, half-way through a change
        yield f"{name}: {type(wrong).__name__}: {wrong}"


def _woven(text: Path) -> str:
    from k8slearn import lab, weave

    notebook = dict(weave.lessons(lab.course()))[text]
    new = weave.weave(text.read_text(encoding="utf-8"))
    if notebook.is_file() and notebook.read_text(encoding="utf-8") == new:
        return f"{text.name}: its notebook is current"
    return f"{text.name}: every cell runs, and {notebook.name} is not what it gives: run python -m k8slearn.weave"
