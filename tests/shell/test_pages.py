"""The Kubernetes documentation's pages, followed command by command: tests/shell/pages/*.txt.

A file names its page, says with which cluster it is followed, and has the page's commands with the facts of the outputs
that the page promises (no more of its text). Blocks are separated by blank lines; a block is a command, lines of input,
a line ``----`` and the promise. In a promise ``<NAME>`` is any word and is remembered, so that it must be the same word
next time and can stand in a later command; ``<_>`` is any word, ``...`` any lines; blanks are any blanks, and
empty lines none.

Commands: ``cluster KEY=VALUE…``, ``apply``, ``file NAME`` (the input is a file for ``kubectl … -f NAME``),
``$ kubectl …``, ``NAME = kubectl …`` (remembers the output), ``node-1$ …``, ``default/web$ …``, ``outside$ …``,
``advance SECONDS``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import CommandError

from ..transcripts import Block, _place, _value

HERE = Path(__file__).parent / "pages"
HOLE = re.compile(r"<(\w+)>")


def blocks(text: str) -> list[tuple[Block, list[str] | None]]:
    """Each block with its promise; None where it promises nothing."""
    found = []
    for part in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        lines = part.strip("\n").splitlines()
        if not lines:
            continue
        cut = lines.index("----") if "----" in lines else len(lines)
        promise = lines[cut + 1 :] if cut < len(lines) else None
        found.append((Block("", lines[0], "\n".join(lines[1:cut])), promise))
    return found


class Reader:
    """Somebody who follows a page: a cluster, the files that they wrote, and the words that they remember."""

    def __init__(self) -> None:
        self.cluster: Any = None
        self.files: dict[str, str] = {}
        self.known: dict[str, str] = {}

    def filled(self, text: str) -> str:
        return HOLE.sub(lambda hole: self.known.get(hole[1], hole[0]), text)

    def does(self, block: Block) -> str:
        command, stdin = self.filled(block.command), self.filled(block.stdin)
        word, _, rest = command.partition(" ")
        if word == "cluster":
            self.cluster = Cluster(**{k: _value(v) for k, v in (w.split("=", 1) for w in shlex.split(rest))})
        elif word == "apply":
            self.cluster.apply(stdin)
        elif word == "file":
            self.files[rest] = stdin
        elif word == "advance":
            self.cluster.advance(float(rest))
        elif assigned := re.fullmatch(r"(\w+) = kubectl (.*)", command):
            self.known[assigned[1]] = self.kubectl(assigned[2], "").strip()
        elif word == "$":
            return self.kubectl(rest.removeprefix("kubectl "), stdin)
        else:
            place, _, line = command.partition("$ ")
            result = _place(self.cluster, place).run("\n".join(filter(None, [line, stdin])))
            return str(result.stdout + result.stderr)
        return ""

    def kubectl(self, command: str, stdin: str) -> str:
        for name, text in self.files.items():
            if name in command.split():
                command, stdin = command.replace(name, "-"), text
        try:
            return str(self.cluster.kubectl(command, stdin))
        except CommandError as error:
            return error.stdout + error.stderr

    def finds(self, promise: list[str], printed: str) -> None:
        """Assert that the output is what the page promises, and remember its words."""
        seen: set[str] = set()

        def pattern(line: str) -> str:
            words = [word for word in re.split(r"\s+", line.strip()) if word]
            return r"[ \t]*" + r"[ \t]+".join(part(word) for word in words) + r"[ \t]*"

        def part(word: str) -> str:
            out, at = "", 0
            for hole in HOLE.finditer(word):
                out += re.escape(word[at : hole.start()])
                name, at = hole[1], hole.end()
                if name == "_":
                    out += r"\S+"
                elif name in seen:
                    out += f"(?P={name})"
                elif name in self.known:
                    out += re.escape(self.known[name])
                else:
                    seen.add(name)
                    out += rf"(?P<{name}>\S+?)"
            return out + re.escape(word[at:])

        lines = [r"(?:.*\n)*?" if line.strip() == "..." else pattern(line) + r"\n" for line in promise]
        said = re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed.splitlines() if line.strip()))
        assert said is not None, "\n".join(["promised:", *promise, "", "printed:", printed])
        self.known |= said.groupdict()


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_a_page_of_the_documentation_can_be_followed(path: Path) -> None:
    reader = Reader()
    for block, promise in blocks(path.read_text()):
        printed = reader.does(block)
        if promise is not None:
            try:
                reader.finds(promise, printed)
            except AssertionError as error:
                raise AssertionError(f"{path.name}: {block.command}\n{error}") from None


def test_a_container_knows_the_services_that_were_there_before_it() -> None:
    cluster = Cluster(nodes=1)
    cluster.kubectl("create namespace shop")
    cluster.kubectl("create service clusterip my-db --tcp=5432 --clusterip=10.96.7.7 -n shop")
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop}\nspec: %s"
    one = "{containers: [{name: c, image: nginx, env: [{name: MY_DB_PORT, value: mine}]}]}"
    cluster.apply(pod % ("web", one))
    cluster.apply(pod % ("unlinked", one.replace("{containers", "{enableServiceLinks: false, containers")))
    cluster.kubectl("create service clusterip late --tcp=1 -n shop")
    found = dict(line.split("=", 1) for line in cluster.pod("web", "shop").run("env").stdout.splitlines())
    assert found["MY_DB_SERVICE_HOST"] == found["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.7.7"
    assert (found["MY_DB_SERVICE_PORT"], found["MY_DB_PORT"], found["HOSTNAME"]) == ("5432", "mine", "web")
    assert found["KUBERNETES_PORT_443_TCP"] == "tcp://10.96.0.1:443"
    assert not [name for name in found if name.startswith("LATE")]
    other = cluster.kubectl("exec unlinked -n shop -- printenv")
    assert "KUBERNETES_SERVICE_HOST=10.96.0.1" in other
    assert "MY_DB_SERVICE_HOST" not in other
