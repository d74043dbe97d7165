"""The course's notebooks are their text: the same words give the same bytes. (`k8slearn check` weaves all of them.)"""

from __future__ import annotations

import pytest

from k8slearn import weave
from k8slearn.errors import Refused

TEXT = """---
title: the front matter is not part of the lesson
---
# A lesson

```bash
kubectl get pods     # a fence that is not a cell
```

```{code-cell}
print("one"); print("two")
```

before
+++
after

```{code-cell}
:tags: [raises-exception]

1 / 0
```
"""


def test_prose_and_code_become_cells_in_order() -> None:
    cells = weave.unrun(TEXT)["cells"]
    assert [c["cell_type"] for c in cells] == ["markdown", "code", "markdown", "markdown", "code"]
    assert "".join(cells[0]["source"]).startswith("# A lesson\n\n```bash")
    assert cells[4]["source"] == ["1 / 0"]
    assert cells[4]["metadata"] == {"tags": ["raises-exception"]}


def test_a_cells_name_depends_on_its_words_alone() -> None:
    first, second = (weave.unrun(t)["cells"] for t in (TEXT, TEXT.replace("before", "changed")))
    same = [a["id"] == b["id"] for a, b in zip(first, second, strict=True)]
    assert same == [True, True, False, True, True]


def test_two_cells_with_the_same_words_have_two_names() -> None:
    twice = "```{code-cell}\nx\n```\n" * 2
    assert len({c["id"] for c in weave.unrun(twice)["cells"]}) == 2


def test_running_a_lesson_twice_gives_the_same_bytes() -> None:
    woven = weave.weave(TEXT)
    assert woven == weave.weave(TEXT)
    assert '"one\\n",' in woven
    assert "ZeroDivisionError" in woven


def test_a_lesson_whose_cell_fails_is_not_woven() -> None:
    with pytest.raises(Refused, match="division by zero"):
        weave.weave("```{code-cell}\n1 / 0\n```\n")


def test_what_differs_from_run_to_run_is_taken_out() -> None:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"execution": {"iopub.execute_input": "2026-11-22"}, "tags": ["x"]},
        "execution_count": 1,
        "source": ["w"],
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
            {"output_type": "stream", "name": "stdout", "text": ["c\n"]},
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": ["Player"], "application/vnd.jupyter.widget-view+json": {"model_id": "random"}},
            },
        ],
    }
    (clean,) = weave.clean({"cells": [cell], "metadata": {"widgets": {}}})["cells"]
    assert clean["metadata"] == {"tags": ["x"]}
    assert clean["outputs"][0]["text"] == ["a\n", "bc\n"]
    assert clean["outputs"][1]["data"] == {"text/plain": ["Player"]}
