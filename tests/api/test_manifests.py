"""Manifests that other people wrote go in unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8slearn import api
from k8slearn.journal import World

from .world import applied

SHARED = Path(__file__).parents[3] / "shared" / "truth" / "manifests"
FILES = sorted(SHARED.glob("*.yaml"))


def _needs_files() -> None:
    if not FILES:
        pytest.skip("other people's files are not here: the documentation's manifests lie outside the project")


def says(written: Any, kept: Any) -> bool:
    """Is everything that was written still so in what is kept?"""
    if isinstance(written, dict):
        return isinstance(kept, dict) and all(says(v, kept.get(k)) for k, v in written.items())
    if isinstance(written, list):
        return isinstance(kept, list) and len(written) == len(kept) and all(map(says, written, kept))
    return bool(written == kept)


def test_the_documentations_examples_apply_and_keep_what_they_say() -> None:
    _needs_files()
    for path in FILES:
        written = [d for d in yaml.safe_load_all(path.read_text()) if d]
        kept = applied(World(), path)
        assert len(kept) == len(written)
        assert all(map(says, written, kept)), path.name


def test_applying_a_file_twice_changes_nothing() -> None:
    _needs_files()
    world = World()
    for path in FILES:
        first = applied(world, path)
        assert all(a is b for a, b in zip(first, applied(world, path), strict=True)), path.name


def test_a_pods_admission_is_little_work(calls: Callable[[Callable[[], Any]], int]) -> None:
    world = World()
    pod = api.load("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: nginx}]}}")[
        0
    ]
    api.admitted(world, pod)
    assert calls(lambda: api.admitted(world, pod)) < 300
