"""``crictl``: what the container runtime of a node holds (cri-tools 1.32).

The runtime is where a pod is made of a sandbox and containers. Stopping one here is what a crash is to the kubelet:
it finds the dead container (or the sandbox that is not ready) when it next looks, and acts. `crictl_make` has the
commands that make a pod by hand.

Left out: images' sizes (shown as 0B), statistics, attach, port-forward, images that are not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.cni.spec import CniError
from k8slearn.components.kubelet import containers, sandbox
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Remove, digest
from k8slearn.linux.program import Result, Running
from k8slearn.shell import crictl_make
from k8slearn.shell.crictl_inspect import container_object, sandbox_object
from k8slearn.shell.crictl_make import fatal
from k8slearn.shell.process import Process, execute

VERSION = "crictl version v1.32.0\n"
KILLED = 137
USAGE = "NAME:\n   crictl - client for CRI\n\nCOMMANDS:\n   {}\n"
WITH_VALUE = {
    **{"--name": "name", "--namespace": "namespace", "--state": "state", "-s": "state", "--output": "output"},
    **{"-o": "output", "--pod": "pod", "-p": "pod", "--tail": "tail", "--image": "image", "--id": "id"},
    **{"--timeout": "-", "-t": "-", "--runtime-endpoint": "-", "-r": "-", "--label": "-"},
}
FLAGS = {
    **{"-a": "all", "--all": "all", "-q": "quiet", "--quiet": "quiet", "--no-trunc": "long", "-f": "force"},
    **{"--force": "force", "-i": "-", "-it": "-", "--follow": "-", "-l": "latest", "--latest": "latest"},
}
Row = Sequence[str]


@dataclass(slots=True)
class Asked:
    """A command line behind the command's name."""

    process: Process
    told: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @property
    def node(self) -> str:
        return self.process.machine

    def sandboxes(self) -> list[Sandbox]:
        rows: Iterable[Sandbox] = self.process.world.table(self.node, "sandbox").values()
        return sorted(rows, key=lambda row: (-row.created, row.pod, -row.attempt))

    def containers(self) -> list[Container]:
        rows: Iterable[Container] = self.process.world.table(self.node, "container").values()
        return sorted(rows, key=lambda row: (-row.created, row.pod, row.name, -row.attempt))

    def sandbox(self, doing: str) -> list[Sandbox]:
        """The sandboxes that are named by (the beginning of) their ids."""
        return [_one(self.sandboxes(), name, doing, "pod sandbox") for name in self._needed()]

    def container(self, doing: str) -> list[Container]:
        """The containers that are named by (the beginning of) their ids."""
        return [_one(self.containers(), name, doing, "container") for name in self._needed()]

    def _needed(self) -> list[str]:
        if not self.names:
            raise fatal("ID cannot be empty")
        return self.names


def _one(rows: Sequence[Any], name: str, doing: str, what: str) -> Any:
    found = next((row for row in rows if row.id.startswith(name)), None)
    if found is None:
        missing = f'an error occurred when try to find {what.removeprefix("pod ")} "{name}": not found'
        raise fatal(f'{doing} the {what} "{name}": rpc error: code = NotFound desc = {missing}')
    return found


def program(process: Process) -> Running:
    """Run ``crictl``."""
    words = list(process.argv)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-v", "--version"):
            return Result(VERSION)
        if option in ("-r", "--runtime-endpoint", "-i", "--image-endpoint", "-t", "--timeout"):
            words[:1] = []
    name = words.pop(0) if words else "help"
    if name not in COMMANDS:
        listed = USAGE.format("\n   ".join(COMMANDS))
        return Result(listed) if name in ("help", "h") else Result(listed, f'No help topic for "{name}"\n', 3)
    text = yield from COMMANDS[name](_read(process, words, name))
    return text if isinstance(text, Result) else Result(text)


def _read(process: Process, words: list[str], command: str) -> Asked:
    asked = Asked(process)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if command == "exec" and asked.names:
            asked.names += [word, *words]
            break
        if name in WITH_VALUE:
            asked.told[WITH_VALUE[name]] = value if equals else (words.pop(0) if words else "")
        elif word in FLAGS:
            asked.told[FLAGS[word]] = ""
        elif word.startswith("-") and word != "-":
            raise CommandError(f"Incorrect Usage: flag provided but not defined: {word}\n", 1)
        else:
            asked.names.append(word)
    return asked


Doing = Generator[Command, None, str | Result]


def pods(asked: Asked) -> Doing:
    """``crictl pods``: the sandboxes, dead ones too."""
    yield from ()
    rows = [row for row in asked.sandboxes() if _wanted_pod(asked, row)]
    if "quiet" in asked.told:
        return "".join(f"{row.id}\n" for row in rows)
    if asked.told.get("output") == "json":
        return _json({"items": [sandbox_object(row) for row in rows]})
    head = ("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME")
    return _table(head, [_pod_row(asked, row) for row in rows])


def _wanted_pod(asked: Asked, row: Sandbox) -> bool:
    namespace, _, name = row.pod.partition("/")
    return (
        asked.told.get("name", "") in name
        and asked.told.get("namespace", namespace) == namespace
        and asked.told.get("state", row.state).lower() == row.state.lower()
        and row.id.startswith(asked.told.get("id", ""))
    )


def _pod_row(asked: Asked, row: Sandbox) -> Row:
    namespace, _, name = row.pod.partition("/")
    state = "Ready" if row.state == cri.READY else "NotReady"
    return (_short(asked, row.id), _ago(asked, row.created), state, name, namespace, str(row.attempt), "(default)")


def ps(asked: Asked) -> Doing:
    """``crictl ps [-a]``: the containers that run (or all)."""
    yield from ()
    rows = [row for row in asked.containers() if _wanted_container(asked, row)]
    rows = rows[:1] if "latest" in asked.told else rows
    if "quiet" in asked.told:
        return "".join(f"{row.id}\n" for row in rows)
    if asked.told.get("output") == "json":
        return _json({"containers": [container_object(row) for row in rows]})
    head = ("CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE")
    return _table(head, [_container_row(asked, row) for row in rows])


def _wanted_container(asked: Asked, row: Container) -> bool:
    shown = "all" in asked.told or "latest" in asked.told or row.state == cri.RUNNING
    state = asked.told.get("state", "").upper()
    return (
        (row.state == state if state else shown)
        and asked.told.get("name", "") in row.name
        and row.sandbox.startswith(asked.told.get("pod", ""))
        and row.id.startswith(asked.told.get("id", ""))
    )


def _container_row(asked: Asked, row: Container) -> Row:
    namespace, _, pod = row.pod.partition("/")
    image = _short(asked, row.image_id.removeprefix("sha256:"))
    state, sandbox = row.state.capitalize(), _short(asked, row.sandbox)
    made = _ago(asked, row.started or row.created)
    return (_short(asked, row.id), image, made, state, row.name, str(row.attempt), sandbox, pod, namespace)


def images(asked: Asked) -> Doing:
    """``crictl images``: those that something here was made of."""
    yield from ()
    named = {row.image: row.image_id for row in asked.containers()}
    named |= {row.image: "sha256:" + row.image for row in asked.sandboxes() if row.image}
    rows = [_image_row(asked, name, identity) for name, identity in sorted(named.items())]
    return _table(("IMAGE", "TAG", "IMAGE ID", "SIZE"), rows)


def _image_row(asked: Asked, name: str, identity: str) -> Row:
    base, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        base, tag = name, "latest"
    full = base if "." in base.partition("/")[0] else f"docker.io/{base if '/' in base else f'library/{base}'}"
    plain = identity.removeprefix("sha256:")
    return (full, tag, _short(asked, plain if plain != name else digest("image", name, length=64)), "0B")


def inspect(asked: Asked) -> Doing:
    """``crictl inspect ID``: one container, as JSON."""
    yield from ()
    boxes = {row.id: row for row in asked.sandboxes()}
    rows = asked.container("getting the status of")
    return "".join(_json(container_object(row, boxes.get(row.sandbox))) for row in rows)


def inspectp(asked: Asked) -> Doing:
    """``crictl inspectp ID``: one sandbox, as JSON."""
    yield from ()
    return "".join(_json(sandbox_object(row, True)) for row in asked.sandbox("getting the status of"))


def logs(asked: Asked) -> Doing:
    """``crictl logs [--tail N] ID``."""
    yield from ()
    (row, *_) = asked.container("getting the status of")
    lines = row.log.splitlines(keepends=True)
    count = int(asked.told["tail"]) if asked.told.get("tail", "").isdigit() else len(lines)
    return "".join(lines[len(lines) - count :] if count < len(lines) else lines)


def stop(asked: Asked) -> Doing:
    """``crictl stop ID``: the container's process ends; the kubelet will find it dead."""
    rows = asked.container("stopping")
    for row in rows:
        if row.state == cri.RUNNING:
            yield from containers.die(asked.process.world, asked.node, row, KILLED)
    return "".join(f"{name}\n" for name in asked.names)


def stopp(asked: Asked) -> Doing:
    """``crictl stopp ID``: StopPodSandbox. Its containers end, CNI DEL, the namespace, the pause container."""
    for row in asked.sandbox("stopping"):
        yield from _stop_sandbox(asked, row)
    return "".join(f"Stopped sandbox {name}\n" for name in asked.names)


def _stop_sandbox(asked: Asked, row: Sandbox) -> Generator[Command, None, None]:
    world = asked.process.world
    for container in [c for c in asked.containers() if c.sandbox == row.id and c.state == cri.RUNNING]:
        yield from containers.die(world, asked.node, container, KILLED)
    try:
        yield from sandbox.stop(world, asked.node, row, "crictl")
    except CniError as error:
        why = f'failed to destroy network for sandbox "{row.id}": {error}'
        raise fatal(f'stopping the pod sandbox "{row.id}": rpc error: code = Unknown desc = {why}') from None


def rm(asked: Asked) -> Doing:
    """``crictl rm [-f] ID``: forget a dead container."""
    for row in asked.container("removing"):
        if row.state == cri.RUNNING and "force" not in asked.told:
            raise fatal(f'container "{row.id}" is running, please stop it first')
        if row.state == cri.RUNNING:
            yield from containers.die(asked.process.world, asked.node, row, KILLED)
        yield from crictl_make.forget(asked.process, row)
    return "".join(f"{name}\n" for name in asked.names)


def rmp(asked: Asked) -> Doing:
    """``crictl rmp [-f] ID``: forget a dead sandbox and what is left in it. (A kubelet's containers stay listed: it
    counts restarts by them.)"""
    for row in asked.sandbox("removing"):
        if row.state == cri.READY and "force" not in asked.told:
            wrong = f'sandbox container "{row.id}" is not fully stopped'
            raise fatal(f'removing the pod sandbox "{row.id}": rpc error: code = Unknown desc = {wrong}')
        yield from _stop_sandbox(asked, row)
        for container in [c for c in asked.containers() if c.sandbox == row.id and row.hand]:
            yield from crictl_make.forget(asked.process, container)
        yield Remove(cri.sandbox_key(asked.node, row))
    return "".join(f"Removed sandbox {name}\n" for name in asked.names)


def run_in(asked: Asked) -> Generator[Command, None, Result]:
    """``crictl exec ID COMMAND...``: in the container's network, with the container's files."""
    name, *words = asked.names or [""]
    row = _one(asked.containers(), name, "execing command in", "container")
    if row.state != cri.RUNNING:
        raise fatal(f'execing command in container "{name}": container is not running')
    box: Sandbox | None = asked.process.world.get((asked.node, "sandbox", row.sandbox))
    scope = box.netns if box is not None else asked.node
    return (yield from execute(replace(asked.process, netns=scope, files=scope, container=row.id), words))


def runp(asked: Asked) -> Doing:
    return (yield from crictl_make.runp(asked.process, asked.names))


def create(asked: Asked) -> Doing:
    find = partial(_one, asked.sandboxes(), doing="creating container: finding", what="pod sandbox")
    return (yield from crictl_make.create(asked.process, asked.names, find))


def start(asked: Asked) -> Doing:
    return (yield from crictl_make.start(asked.process, asked.container("starting")))


def run(asked: Asked) -> Doing:
    return (yield from crictl_make.run(asked.process, asked.names))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _table(head: Row, rows: Sequence[Row]) -> str:
    """Go's tabwriter as crictl sets it up: columns of 20 at least, three spaces between."""
    table = [head, *rows]
    widths = [max(20, *(len(row[n]) + 3 for row in table)) for n in range(len(head))]
    cells = ([word.ljust(width) for word, width in zip(row[:-1], widths, strict=False)] + [row[-1]] for row in table)
    return "".join("".join(row) + "\n" for row in cells)


def _short(asked: Asked, identity: str) -> str:
    return identity if "long" in asked.told else identity[:13]


AGES: tuple[tuple[float, Callable[[float], str]], ...] = (
    (1, lambda s: "Less than a second"),
    (2, lambda s: "1 second"),
    (60, lambda s: f"{s:.0f} seconds"),
    (120, lambda s: "About a minute"),
    (2760, lambda s: f"{s // 60:.0f} minutes"),
    (5400, lambda s: "About an hour"),
    (172800, lambda s: f"{s / 3600:.0f} hours"),
    (float("inf"), lambda s: f"{s // 86400:.0f} days"),
)
"""Below so many seconds -> how long ago that was, in docker's words."""


def _ago(asked: Asked, then: float) -> str:
    age = max(0.0, asked.process.world.clock - then)
    return next(words for limit, words in AGES if age < limit)(age) + " ago"


COMMANDS: Mapping[str, Callable[[Asked], Generator[Command, None, str | Result]]] = {
    **{"pods": pods, "ps": ps, "images": images, "inspect": inspect, "inspectp": inspectp, "logs": logs},
    **{"stop": stop, "stopp": stopp, "rm": rm, "rmp": rmp, "exec": run_in},
    **{"runp": runp, "create": create, "start": start, "run": run},
}
