"""k8slearn: a cluster network in memory that tells you the truth and explains it.

Reading order: journal -> trace -> linux/path -> the room you wonder about -> components/kube_proxy -> explain.

Left out: clusters of IPv6 alone, and load. What is left out says so when it is asked for; each room's docstring has its
own list. Nothing here measures time: it shows what happens, not how fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Cluster", "open_exercise", "predict", "progress"]

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster
    from k8slearn.grading.exercise import open_exercise
    from k8slearn.grading.prediction import predict
    from k8slearn.grading.progress import progress

_WHERE = {
    "Cluster": "k8slearn.cluster",
    "open_exercise": "k8slearn.grading.exercise",
    "predict": "k8slearn.grading.prediction",
    "progress": "k8slearn.grading.progress",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``import k8slearn`` stays fast."""
    import importlib

    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'k8slearn' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext k8slearn``: magics and completion (contract.md, "In a notebook")."""
    from k8slearn.notebook import load_ipython_extension as load

    load(shell)
