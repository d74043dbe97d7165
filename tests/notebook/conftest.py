"""A notebook without a notebook: IPython's own shell in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

TWO_PODS = """\
%%yaml
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far}
spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
"""


@pytest.fixture
def shell() -> Iterator[Any]:
    ipython = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not installed")
    ipython.InteractiveShell.clear_instance()
    shell = ipython.InteractiveShell.instance()
    shell.run_line_magic("load_ext", "k8slearn")
    yield shell
    ipython.InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell: Any, capsys: Any) -> Callable[[str], tuple[str, str, bool]]:
    """Run a cell: what it wrote to standard output and standard error, and whether it succeeded."""

    def run(source: str) -> tuple[str, str, bool]:
        capsys.readouterr()
        result = shell.run_cell(source)
        out, err = capsys.readouterr()
        return out, err, result.success

    return run


@pytest.fixture
def lab(cell: Callable[[str], Any]) -> Callable[[str], tuple[str, str, bool]]:
    """The same with a cluster of two nodes and two pods in it."""
    cell("from k8slearn import Cluster\ncluster = Cluster(nodes=2)")
    cell(TWO_PODS)
    return cell
