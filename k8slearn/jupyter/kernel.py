"""The kernel itself: IPython's, with ``%load_ext k8slearn`` done.

Left out: a protocol of its own.
"""

from __future__ import annotations

from typing import Any

from ipykernel.ipkernel import IPythonKernel

from k8slearn import __version__


class K8slearnKernel(IPythonKernel):  # type: ignore[misc]  # ipykernel carries no types
    """Python, with a cluster's command lines."""

    implementation = "k8slearn"
    implementation_version = __version__
    banner = f"k8slearn {__version__}: Python, with a cluster's command lines"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell.extension_manager.load_extension("k8slearn")
