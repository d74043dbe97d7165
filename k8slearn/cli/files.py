"""The cluster that files describe: manifests as somebody wrote them, or what ``kubectl get -o yaml`` printed.

FILE is a file (YAML or JSON, of any number of documents), a folder (its .yaml, .yml and .json files), a pattern
(``'shop/*.yaml'``) or ``-``, the standard input. All of them together are one cluster.

Left out: folders in folders, URLs, kustomizations.
"""

from __future__ import annotations

import argparse
import glob
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8slearn.errors import Refused

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

ENDINGS = (".yaml", ".yml", ".json")
STDIN = "standard input"


def cluster_of(given: argparse.Namespace) -> Cluster:
    """The cluster of ``FILE… [--nodes N] [--network NAME]``. Raises `Refused` with one sentence."""
    from k8slearn.importing.header import told
    from k8slearn.settings import settings

    wanted: dict[str, Any] = {} if given.nodes is None else {"nodes": given.nodes}
    if given.network is not None:
        wanted["network"] = None if given.network == "none" else given.network
    settings(**wanted)
    with Telling("reading"):
        texts = dict(_texts(given.files))
        files = {name: _objects(name, text) for name, text in texts.items()}
    wanted = told("\n".join(texts.values())) | wanted
    with Telling("building the cluster"):
        try:
            return _built([obj for objects in files.values() for obj in objects], wanted)
        except Refused as wrong:
            raise _blamed(wrong, files, wanted) from None


def _built(objects: list[dict[str, Any]], wanted: dict[str, Any]) -> Cluster:
    from k8slearn.cluster import Cluster
    from k8slearn.importing import cluster_from

    return cluster_from(Cluster, objects, **wanted)


def _texts(names: list[str]) -> Iterator[tuple[str, str]]:
    """Every file's name and text."""
    from k8slearn import api

    for name in dict.fromkeys(names):
        if name == "-":
            yield STDIN, sys.stdin.read()
        else:
            yield from ((str(path), api.read(path)) for path in _paths(name))


def _paths(name: str) -> list[Path]:
    """The files that a name stands for, in the order of their names."""
    path = Path(name)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in ENDINGS and file.is_file())
        if not found:
            raise Refused(
                f"the folder {name} has no file that ends with {', '.join(ENDINGS)} (folders in it are not read)"
            )
        return found
    if path.exists() or not glob.has_magic(name):
        return [path]
    matching = sorted(file for file in map(Path, glob.glob(name)) if file.is_file())
    if not matching:
        raise Refused(f"no file matches {name}")
    return matching


def _objects(name: str, text: str) -> list[dict[str, Any]]:
    from k8slearn import api

    if not text.strip():
        raise Refused(f"{name} is empty")
    try:
        return api.load(text)
    except Refused as wrong:
        raise Refused(f"{name}: {wrong}") from None


def _blamed(wrong: Refused, files: dict[str, list[dict[str, Any]]], wanted: dict[str, Any]) -> Refused:
    """The refusal with the name of the file that is refused by itself, where there is one."""
    from k8slearn.api import ApiError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, objects in files.items():
            try:
                _built(objects, wanted)
            except Refused as alone:
                if str(alone) == str(wrong):
                    return Refused(f"{name}: {alone.said(source=name) if isinstance(alone, ApiError) else alone}")
    return wrong


class Telling:
    """On a terminal, what takes a while is said while it lasts; in a pipe nothing is."""

    def __init__(self, what: str) -> None:
        self.what = f"{what} …" if sys.stderr.isatty() else ""

    def __enter__(self) -> None:
        self._put(self.what)

    def __exit__(self, *how: object) -> None:
        self._put(" " * len(self.what))

    def _put(self, text: str) -> None:
        if self.what:
            print(f"\r{text}\r", end="", file=sys.stderr, flush=True)
