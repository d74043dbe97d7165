"""A learner's own CNI plugin: a Python function that stands in /opt/cni/bin like any other program.

The function runs once, on a copy of the world in which it may run commands on its node. What it returned and which
commands it ran are its **answer**: that is journalled as part of the input that asked (`engine.Outside`), and the
commands are then run for good. A replay takes the answer from the journal and never calls the function.

What it gets wrong becomes an error object of the specification with one sentence, as a plugin's would::

    def mine(command, config, environ, node):
        if command != "ADD":
            return None
        name = environ["CNI_NETNS"].rpartition("/")[2]
        node.run(f"ip link add eth0 netns {name} type veth peer name mine0")
        return {"ips": [{"address": "10.9.0.2/24"}]}

A path in place of a function is an executable that is called for real (`executable`).

Left out: a function that asks another function of the learner's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from k8slearn.cni import skel, spec
from k8slearn.cni.skel import Args, Printed
from k8slearn.cni.spec import CniError
from k8slearn.errors import Refused
from k8slearn.journal import Commands, World, drive
from k8slearn.linux.program import Call, Result, Running
from k8slearn.shell.executable import Executable
from k8slearn.shell.process import run

Plugin = Callable[[str, dict[str, Any], dict[str, str], "Machine"], Mapping[str, Any] | None]
"""``function(command, config, environ, node)``: what it returns is the result."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


class Machine:
    """The node that a plugin runs on, while it runs: the commands that it gave are kept."""

    def __init__(self, world: World, scope: str) -> None:
        self.world = world
        self.scope = scope
        self.did: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        """``node-1``."""
        return self.scope.removeprefix("node:")

    def run(self, command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Result:
        """Run a command on the node; returns Result(stdout, stderr, exit_code)."""
        command, stdin, env = str(command), str(stdin), dict(env or {})
        self.did.append({"command": command, **({"stdin": stdin} if stdin else {}), **({"env": env} if env else {})})
        return drive(run(self.world, self.scope, command, stdin, env), self.world.apply)


@dataclass(frozen=True, slots=True)
class Learned:
    """The program of a learner's plugin."""

    name: str

    def __call__(self, call: Call) -> Running:
        program = skel.program(self.name, self._add, self._other, self._other, self._other, self._other)
        return (yield from program(call))

    def _add(self, args: Args) -> Printed:
        answer = self._answer(args)
        yield from _again(args, answer)
        result = _checked(self.name, answer)
        if result is None:
            raise CniError(f"{self.name} returned nothing for ADD: a plugin returns its result, a dict")
        return spec.printed(spec.read(result, args.version), args.version)

    def _other(self, args: Args) -> Commands:
        answer = self._answer(args)
        yield from _again(args, answer)
        _checked(self.name, answer)

    def _answer(self, args: Args) -> Mapping[str, Any]:
        ask = args.world.outside
        if ask is None:
            raise CniError(f"{self.name} is a learner's own function: it is not called by a question or by another one")
        return ask(self.name, args.call)


def _again(args: Args, answer: Mapping[str, Any]) -> Commands:
    """What the function did on its copy of the world, for good."""
    for did in answer.get("did", ()):
        yield from run(args.world, args.node, did["command"], did.get("stdin", ""), did.get("env", {}))


def _checked(name: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The result of an answer. Raises CniError where it is an error."""
    if "error" in answer:
        raise CniError(f"{name}: {answer['error']}")
    if "result" not in answer:
        raise CniError(f"{name} is a learner's own function that is not here: install_plugin puts it back")
    result = answer["result"]
    if isinstance(result, dict) and "msg" in result:
        code = result.get("code", spec.INTERNAL)
        raise CniError(str(result["msg"]), code if type(code) is int else spec.INTERNAL, str(result.get("details", "")))
    if result is not None and not isinstance(result, dict):
        raise CniError(f"{name} returned {json.dumps(result):.60}: a plugin returns its result, a dict")
    return result


def asking(name: str, function: Plugin | str | Path) -> Callable[[Call], Mapping[str, Any]]:
    """What the engine calls for an answer of this function. Raises Refused where it is no function."""
    if isinstance(function, str | Path):
        function = Executable(function)
    if not callable(function):
        raise Refused(f"a plugin is a function of (command, config, environ, node), not {function!r:.60}")

    def ask(call: Call) -> Mapping[str, Any]:
        machine = Machine(call.world.fork(), call.netns)
        machine.world.outside = None
        told = {name: str(value) for name, value in call.env.items() if name.startswith("CNI_")}
        try:
            result = function(told["CNI_COMMAND"], json.loads(call.stdin), told, machine)
            return {"did": machine.did, "result": _plain(result)}
        except Exception as error:
            return {"did": machine.did, "error": _sentence(error)}

    return ask


def _plain(result: Any) -> Any:
    """The result as JSON keeps it. Raises TypeError or ValueError where it is none."""
    return json.loads(json.dumps(result))


def _sentence(error: Exception) -> str:
    """An exception of the learner's code in one sentence, with the line of the function that it came from."""
    if isinstance(error, CniError | Refused):
        return str(error).strip().splitlines()[0]
    said = (str(error).strip().splitlines() or [""])[0]
    where = _line(error.__traceback__)
    return f"{type(error).__name__}{': ' if said else ''}{said}{where}"


def _line(trace: TracebackType | None) -> str:
    """`` (line 3 of NAME)``: the frame below ours."""
    own = trace.tb_next if trace is not None else None
    if own is None or own.tb_frame.f_code.co_filename == json.__file__:
        return ""
    code = own.tb_frame.f_code
    return f" (line {own.tb_lineno - code.co_firstlineno + 1} of {code.co_name})"


def name_of_plugin(name: Any) -> str:
    """A plugin's name as a file may have it. Raises Refused."""
    if not isinstance(name, str) or not NAME.match(name):
        raise Refused(f"a plugin's name is a file's name in /opt/cni/bin, such as 'mine', not {name!r:.60}")
    return name
