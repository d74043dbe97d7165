"""The kernel "k8slearn" is the Python kernel with the extension loaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import k8slearn

SPEC = Path(k8slearn.__file__).parent / "jupyter" / "kernelspec" / "kernel.json"


@pytest.fixture
def client(tmp_path: Path) -> Any:
    jupyter = pytest.importorskip("jupyter_client.manager", reason="jupyter_client is not installed")
    argv = json.loads(SPEC.read_text(encoding="utf-8"))["argv"]
    manager = jupyter.KernelManager(connection_file=str(tmp_path / "kernel.json"))
    manager._kernel_spec = jupyter.kernelspec.KernelSpec(argv=[sys.executable, *argv[1:]], language="python")
    manager.start_kernel(cwd=str(Path(k8slearn.__file__).parents[1]))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said(client: Any, code: str) -> str:
    """What running this code writes."""
    written: list[str] = []
    client.execute_interactive(
        code,
        timeout=60,
        output_hook=lambda m: written.append(m["content"].get("text", "")) if m["msg_type"] == "stream" else None,
    )
    return "".join(written)


def test_the_kernel_has_command_lines_without_asking(client: Any) -> None:
    assert (
        said(client, "from k8slearn import Cluster\ncluster = Cluster(nodes=2)\n!kubectl get nodes -o name")
        == "node/node-1\nnode/node-2\n"
    )
    assert said(client, "kubectl get nodes -o name") == "node/node-1\nnode/node-2\n"
    assert client.kernel_info(reply=True, timeout=10)["content"]["implementation"] == "k8slearn"
