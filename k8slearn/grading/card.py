"""An exercise as it shows itself: its title, what is asked, the questions, what was answered, done or not done.

Left out: a widget; the rooms above draw one from the same properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8slearn.grading.inert import as_html

if TYPE_CHECKING:
    from k8slearn.grading.definition import Question
    from k8slearn.grading.exercise import Exercise


def card_text(exercise: Exercise) -> str:
    """The card for a terminal."""
    lines = [f"{exercise.title} ({exercise.id}), for {exercise.learner}: {exercise.state}", "", exercise.task.strip()]
    for question in exercise.questions:
        lines += ["", f"[{question.id}] {question.asks}", f"    {_takes(question)}. {_given(exercise, question)}"]
    return "\n".join(lines)


def card_html(exercise: Exercise) -> str:
    """The card for a notebook. The task is shown as it is written; its Markdown is for the lesson's page."""
    head = f"{as_html(exercise.title)} <small>for {as_html(exercise.learner)}</small>"
    task = f'<div style="white-space:pre-wrap">{as_html(exercise.task.strip())}</div>'
    items = "".join(
        f"<li><code>{as_html(q.id)}</code>: {as_html(q.asks)}<br>{as_html(_takes(q))}. "
        f"{as_html(_given(exercise, q))}</li>"
        for q in exercise.questions
    )
    listed = f"<ul>{items}</ul>" if items else ""
    return (
        f'<section class="k8slearn-exercise"><h3>{head}</h3>'
        f'<p role="status"><strong>{exercise.state}</strong></p>{task}{listed}</section>'
    )


def _takes(question: Question) -> str:
    if question.choices:
        return "One of: " + ", ".join(repr(choice.value) for choice in question.choices)
    return {"text": "Text", "number": "A number", "evidence": "Evidence from a trace", "facts": "A list of evidence"}[
        question.kind
    ]


def _given(exercise: Exercise, question: Question) -> str:
    given = exercise.answers.get(question.id)
    return "Not answered yet." if given is None else f"Your answer: {given.value!r}"
