"""``k8slearn site``: the course as a folder of files that runs in a browser tab, with no server behind it.

JupyterLite is JupyterLab in the browser, Pyodide is Python there (WebAssembly). Everything that they load is put into
the site: Pyodide's core from its npm package, the wheels that it names (from PyPI, so their hashes in its
``pyodide-lock.json`` are written anew), PyYAML without its compiled part, ours, and the widgets'. Then any web server
for files will do (``python -m http.server``), and nothing outside it is asked.

The site is built once, with the network of the builder: pip and npm fetch what is needed by name.

What a learner does is kept in that browser's own storage: notebooks, and every exercise as it changes. It stays when
the tab is closed, and goes when the browser's data are deleted.

Left out: matplotlib and networkx (a topology is SVG there), and saving elsewhere than in the browser's own storage.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import k8slearn
from k8slearn.errors import Refused
from k8slearn.lab import copy_course, course

KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
TOOLS = ("jupyterlite-core", "jupyterlite-pyodide-kernel", "anywidget", "ipywidgets")
NEEDED = ("micropip", "packaging", "ipython", "traitlets", "jedi", "typing-extensions")
"""What the kernel takes from Pyodide's own list, with what these need."""
WIDGETS = ("anywidget", "comm", "ipywidgets", "jupyterlab_widgets", "nbformat", "psygnal", "typing_extensions")
FIRST_CELL = """%pip install -q k8slearn anywidget ipywidgets
import os; os.environ["K8SLEARN_AUTOSAVE"] = "/drive/saved"  # in this browser's own storage"""
"""What a notebook of the site begins with: the wheels are in the site, and a new tab has none of them yet."""


def build(out: Path) -> list[str]:
    """Build the site into `out` (new or empty); returns what to do next. Raises `Refused` where a tool is missing."""
    root = Path(k8slearn.__file__).parent.parent
    _can_build(root, out)
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        pyodide, wheels, contents = work / "lite/static/pyodide", work / "wheels", work / "contents"
        _pyodide(work, pyodide)
        _pip("wheel", "--no-deps", "-w", str(wheels), str(root))
        _pip("download", *_PURE, "-d", str(wheels), *WIDGETS)
        copy_course(course(), contents)
        shutil.rmtree(contents / ".k8slearn")
        (contents / "saved").mkdir()
        (contents / "saved" / "README.md").write_text("What you do in an exercise is kept here, in this browser.\n")
        for notebook in contents.rglob("*.ipynb"):
            _begin(notebook)
        _configure(work, out)
        _run([sys.executable, "-m", "jupyterlite_core", "build"], work / "lite")
    return [f"the site is in {out}; look at it with: python -m http.server --directory {out}"]


_PURE = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.14", "--platform", "any")


def _can_build(root: Path, out: Path) -> None:
    missing = [name for name in TOOLS if not importlib.util.find_spec(name.replace("-", "_"))]
    if missing:
        raise Refused(f"{missing[0]} is not installed here; try: pip install {' '.join(TOOLS)}")
    if shutil.which("npm") is None:
        raise Refused("npm is not installed here: Pyodide's core is taken from its npm package")
    if not (root / "pyproject.toml").is_file():
        raise Refused("the site is built from a checkout of k8slearn, not from an installed package")
    if out.exists() and any(out.iterdir()):
        raise Refused(f"{out} is not empty")


def _pyodide(work: Path, into: Path) -> None:
    """Pyodide's core, and beside it the wheels that its list names."""
    from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION

    _run(["npm", "pack", f"pyodide@{PYODIDE_VERSION}", "--silent"], work)
    with tarfile.open(work / f"pyodide-{PYODIDE_VERSION}.tgz") as archive:
        archive.extractall(work / "npm", filter="data")
    into.parent.mkdir(parents=True)
    (work / "npm" / "package").rename(into)
    lock = json.loads((into / "pyodide-lock.json").read_text(encoding="utf-8"))
    packages = lock["packages"]
    for name in _closure(packages, NEEDED):
        fetched = work / "fetched" / name
        _pip("download", *_PURE, "-d", str(fetched), f"{name}=={packages[name]['version']}")
        _listed(packages[name], next(fetched.glob("*.whl")), into)
    _listed(packages["pyyaml"], _pure_yaml(work, packages["pyyaml"]["version"]), into)
    (into / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def _closure(packages: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """The packages with all that they depend on."""
    found: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop().replace("_", "-")
        if name not in found:
            found.append(name)
            todo += packages[name]["depends"]
    return found


def _listed(package: dict[str, Any], wheel: Path, into: Path) -> None:
    content = wheel.read_bytes()
    (into / wheel.name).write_bytes(content)
    package.update(file_name=wheel.name, sha256=hashlib.sha256(content).hexdigest())


def _pure_yaml(work: Path, version: str) -> Path:
    """PyYAML's wheel without its compiled part, which it can do without."""
    fetched = work / "fetched" / "pyyaml"
    _pip("download", "--no-deps", "--only-binary", ":all:", "-d", str(fetched), f"pyyaml=={version}")
    with zipfile.ZipFile(next(fetched.glob("*.whl"))) as source:
        kept = [n for n in source.namelist() if not n.endswith((".so", ".pyd", "/RECORD", "/WHEEL"))]
        files = {name: source.read(name) for name in kept}
    about = next(name.partition("/")[0] for name in files if ".dist-info/" in name)
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: k8slearn\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/RECORD"] = "".join([*_record(files), f"{about}/RECORD,,\n"]).encode()
    wheel = work / f"pyyaml-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return wheel


def _record(files: dict[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        yield f"{name},sha256={digest},{len(content)}\n"


def _begin(notebook: Path) -> None:
    """A first cell that installs our wheels in the tab, and the kernel that the site has."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {},
        "outputs": [],
    }
    content["cells"].insert(0, {**cell, "source": FIRST_CELL})
    content["metadata"]["kernelspec"] = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
    notebook.write_text(json.dumps(content), encoding="utf-8")


def _configure(work: Path, out: Path) -> None:
    built = {"contents": [str(work / "contents")], "output_dir": str(out.resolve())}
    config = {"LiteBuildConfig": built, "PipliteAddon": {"piplite_urls": [str(work / "wheels")]}}
    (work / "lite" / "jupyter_lite_config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {"litePluginSettings": {KERNEL: {"disablePyPIFallback": True}}}
    lite = {"jupyter-lite-schema-version": 0, "jupyter-config-data": settings}
    (work / "lite" / "jupyter-lite.json").write_text(json.dumps(lite), encoding="utf-8")


def _pip(*words: str) -> None:
    _run([sys.executable, "-m", "pip", *words, "-q"], None)


def _run(command: list[str], where: Path | None) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Refused(f"{' '.join(command[:4])} failed: {' '.join(last)}")
