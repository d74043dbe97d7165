"""A machine of this kernel's own to try the real plugins on: a case of the record, recorded now.

`record` does the steps of a case (the form of tests/truth/cni_cases.json) with the binaries of Debian's
containernetworking-plugins and writes down what each printed, how it ended and what it left in every namespace.
`agree` does the same steps in a world too, and compares. A step is one of::

    {"plugin": "bridge", "stdin": {...}, "env": {"CNI_COMMAND": "ADD", ...}}    (`call` makes these; "look": ("host",)
                                                                                says where to look afterwards)
    {"run_in": "host" | "pod1", "argv": ["ip", "link", "del", "eth0"]}    ("may_fail": True: on both sides)
    {"write_file": "$TMP/resolv.conf", "text": "..."}

The machine lives in a mount and network namespace of its own, which go with its process: nothing of it is seen
outside. Its pods are ``/var/run/netns/kcni-pod1`` and so on. Random MACs and names become tokens
(``MAC1``, ``VETH1``, ``IFB1``).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from . import runner
from .runner import PARTS, Part

BINARIES = "/usr/lib/cni"
TOOLS = ("ip", "bridge", "iptables-save", "unshare", "nsenter", "sysctl")
START = (
    "mount -t tmpfs none /run && mkdir -p /run/netns /run/lock && mount -t tmpfs none /var/lib/ && "
    "mkdir -p /var/lib/cni && mount -t sysfs none /sys && ip link set lo up && echo ready; exec sleep 600"
)
MARK = "--- part ---"
PREVIOUS = "$PREVIOUS"
"""A ``prevResult`` that stands for whatever the last successful ADD printed."""
VETH = re.compile(r"\bveth[0-9a-f]{8}\b")
IFB = re.compile(r"\b(?:ifb|bwp)[0-9a-f]{8,12}\b")
MAC = re.compile(r"\b(?!ff:ff:ff:ff:ff:ff|00:00:00:00:00:00)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b")


def why_not(*plugins: str) -> str:
    """Why the real plugins cannot run here; empty: they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    missing += [f"{BINARIES}/{name}" for name in plugins or ("host-local",) if not Path(BINARIES, name).exists()]
    return f"needs {', '.join(missing)}" if missing else ""


def call(plugin: str, command: str, stdin: Any, pod: str = "pod1", **env: str) -> dict[str, Any]:
    """One call of a plugin, as a step. `stdin` is the configuration (or its text); an empty variable is left out."""
    told = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": f"ctr{pod.removeprefix('pod')}",
        "CNI_NETNS": f"/var/run/netns/kcni-{pod}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "$CNI_PATH",
        **env,
    }
    return {"plugin": plugin, "command": command, "stdin": stdin, "env": {k: v for k, v in told.items() if v}}


class Machine:
    """A node made of this kernel's namespaces, and pods (``pod1``, ...) on it."""

    def __init__(self, pods: Sequence[str] = ("pod1", "pod2")) -> None:
        self.folder = tempfile.mkdtemp(prefix="cni-live-")
        self.pods = tuple(pods)
        self.process = subprocess.Popen(
            ["unshare", "-m", "-n", "-u", "--propagation", "private", "sh", "-c", START],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        for pod in pods:
            self.run(["ip", "netns", "add", f"kcni-{pod}"])
        for place in ("host", *pods):  # or each IPv6 address would be waited for, a second and more
            self.within(place, ["sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"])
        self._tokens: dict[str, str] = {}
        self._previous: Any = None

    def run(
        self, argv: Sequence[str], stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the machine."""
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-u", *argv]
        told = {"PATH": os.environ["PATH"], **(env or {})}
        return subprocess.run(inside, capture_output=True, text=True, input=stdin, env=told, timeout=60, check=False)

    def within(self, place: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program in the machine's own network (``host``) or in a pod's (``pod1``)."""
        return self.run([*([] if place == "host" else ["ip", "netns", "exec", f"kcni-{place}"]), *argv])

    def plugin(self, name: str, stdin: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run one real plugin."""
        return self.run([f"{BINARIES}/{name}"], self.real(stdin), {k: self.real(v) for k, v in env.items()})

    def real(self, text: str) -> str:
        """The text with the real places (and names) in it."""
        for name, token in self._tokens.items():
            text = re.sub(rf"\b{token}\b", name, text)
        return text.replace("$TMP", self.folder).replace("$CNI_PATH", BINARIES)

    def normal(self, text: str) -> str:
        """The text with tokens for whatever is random."""
        for kind, pattern in (("VETH", VETH), ("IFB", IFB), ("MAC", MAC)):
            text = pattern.sub(lambda found, kind=kind: self._token(kind, found.group()), text)
        return text.replace(self.folder, "$TMP").replace(BINARIES, "$CNI_PATH")

    def _token(self, kind: str, name: str) -> str:
        known = sum(token.startswith(kind) for token in self._tokens.values())
        return self._tokens.setdefault(name, f"{kind}{known + 1}")

    def snapshot(self, place: str, parts: Mapping[str, Part] = PARTS) -> dict[str, Any] | None:
        """What there is in a namespace now, or None where it has gone."""
        if not parts:
            return {}
        script = f"; echo '{MARK}'; ".join(command for command, _ in parts.values())
        done = self.within(place, ["sh", "-c", script])
        if done.returncode and not done.stdout:
            return None
        said = self.normal(done.stdout).split(f"{MARK}\n")
        return {name: read(text) for (name, (_, read)), text in zip(parts.items(), said, strict=True)}

    def leases(self) -> dict[str, str]:
        """The files of host-local, where its dataDir is ``$TMP/ipam``."""
        home = Path(self.folder, "ipam")
        files = [path for path in sorted(home.rglob("*")) if path.is_file()]
        return {str(path.relative_to(home)): self.normal(path.read_bytes().decode()) for path in files}

    def do(self, step: Mapping[str, Any], parts: Mapping[str, Part] = PARTS, look: bool = True) -> dict[str, Any]:
        """Do one step; returns it with what came of it, and (`look`) what there is in every namespace now."""
        if "write_file" in step:
            path = Path(self.real(step["write_file"]))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["text"])
            return dict(step)
        if "argv" in step:
            done = self.within(step["run_in"], [self.real(word) for word in step["argv"]])
            assert done.returncode == 0 or step.get("may_fail"), (step, done.stderr)
            return dict(step)
        stdin = step["stdin"]
        if isinstance(stdin, dict) and stdin.get("prevResult") == PREVIOUS:
            stdin = {**stdin, "prevResult": self._previous}
        done = self.plugin(step["plugin"], stdin if isinstance(stdin, str) else json.dumps(stdin), step["env"])
        said = {"exit": done.returncode, "stderr": self.normal(done.stderr)}
        out = self.normal(done.stdout)
        said |= {"stdout_json": json.loads(out)} if out.startswith("{") else {"stdout_text": out}
        if step["env"].get("CNI_COMMAND") == "ADD" and done.returncode == 0:
            self._previous = said["stdout_json"]
        if not look:
            return {**step, "stdin": stdin, **said}
        places = step.get("look", ("host", *self.pods))
        seen = {place: self.snapshot(place, parts) or {"error": "gone"} for place in places}
        return {**step, "stdin": stdin, **said, "after": {**seen, "ipam_files": self.leases()}}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def record(
    steps: Sequence[Mapping[str, Any]],
    pods: Sequence[str] = ("pod1", "pod2"),
    parts: Mapping[str, Part] = PARTS,
    every: bool = True,
) -> dict[str, Any]:
    """The steps done by the real plugins: a case of the record. The namespaces are looked at after `every` step, or
    after the last one."""
    with Machine(pods) as machine:
        done = [machine.do(step, parts, every or at + 1 == len(steps)) for at, step in enumerate(steps)]
    return {"id": "live", "steps": done}


def agree(
    steps: Sequence[Mapping[str, Any]],
    pods: Sequence[str] = ("pod1", "pod2"),
    parts: Mapping[str, Part] = PARTS,
    every: bool = True,
) -> None:
    """Our plugins do in a world what the real ones do here; skips where the real ones cannot run."""
    reason = why_not(*(step["plugin"] for step in steps if "plugin" in step))
    if reason:
        pytest.skip(reason)
    runner.replay(record(steps, pods, parts, every), *(f"kcni-{pod}" for pod in pods), ipv6=True)
