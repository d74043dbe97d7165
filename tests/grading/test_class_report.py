"""The page about the class: who went wrong in the same way, which misconception that is, and who did the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn.grading.classreport import FEW, class_page
from k8slearn.grading.report import feedback_page
from k8slearn.grading.run import Course, grade_run
from k8slearn.grading.variant import nameless

from .conftest import notebook
from .work import record_of, with_inputs

pytestmark = pytest.mark.usefixtures("shelf")
HandIn = Callable[..., Path]
TRICK = "<script>alert(1)</script>"


def test_a_sentence_without_its_names_is_the_same_for_two_variants() -> None:
    one = nameless("web-1 reaches 10.244.0.7:80, not 8080", {"server": "web-1", "port": 80})
    two = nameless("api reaches 10.244.3.9:8080, not 8080", {"server": "api", "port": 8080})
    assert one == "{{server}} reaches …:{{port}}, not 8080"
    assert two == "{{server}} reaches …:{{port}}, not {{port}}"
    assert nameless("", {}) == ""


def test_wrong_answers_are_counted_by_misconception(hand_in: HandIn, tmp_path: Path) -> None:
    for number in range(3):
        hand_in(f"learner-{number}", notebook(record_of(f"learner-{number}", "wrong/timeout.py")))
    hand_in("other", notebook(record_of("other", "wrong/other-port.py")))
    hand_in("right", notebook(record_of("right")))
    page = class_page(grade_run(tmp_path / "submissions", jobs=1))
    assert '<td class="n">3</td><td>timeout</td>' in page
    assert '<td class="n">1</td><td>other port</td>' in page
    assert "<td>predicted</td>" in page


def test_records_with_the_same_entries_stand_beside_each_other(hand_in: HandIn, tmp_path: Path) -> None:
    def record(learner: str, command: str) -> object:
        commands = [("kubectl", {"command": f"label nodes node-1 {command}{n}=x", "stdin": ""}) for n in range(FEW)]
        return notebook(with_inputs(record_of(learner), *commands))

    for learner, command in (("alice", "a"), ("bob", "a"), ("carol", "c"), (TRICK, "a")):
        hand_in(learner.replace("/", ""), record(learner.replace("/", ""), command))
    page = class_page(grade_run(tmp_path / "submissions", jobs=1))
    same = page.partition("Who did the same")[2].partition("What was odd")[0]
    assert "alice, bob" in same
    assert "carol" not in same
    assert "<script" not in page


def test_a_learner_reads_of_a_hidden_check_only_whether_it_holds(hand_in: HandIn, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "01-tiny" / "checks.py"
    hidden.parent.mkdir(parents=True)
    hidden.write_text(
        "from k8slearn.grading.checks import Failed, check\n\n"
        '@check("secret", asks="What the instructor asks.", points=2)\n'
        'def secret(work):\n    raise Failed("What it says.", "What it hints.")\n'
    )
    hand_in("alice", notebook(record_of("alice")))
    rows = grade_run(tmp_path / "submissions", 1, Course(hidden=tmp_path / "hidden"))
    page = feedback_page("alice", rows)
    assert "A further check of your instructor&#x27;s. (does not hold, 0 of 2 points)" in page
    assert not any(words in page for words in ("What the instructor asks", "What it says", "What it hints"))
    assert "What it says." in class_page(rows)
