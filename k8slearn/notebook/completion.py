"""Tab: verbs, resources, namespaces, names, endpoints; as a shell's completion for kubectl offers them.

Left out: options other than the commonest, and field paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from k8slearn.errors import Refused
from k8slearn.notebook.session import Session

VERBS = (
    "annotate",
    "api-resources",
    "apply",
    "create",
    "delete",
    "describe",
    "exec",
    "expose",
    "get",
    "label",
    "logs",
    "rollout",
    "run",
    "scale",
    "version",
)
RESOURCES = (
    "configmaps",
    "deployments",
    "endpointslices",
    "events",
    "namespaces",
    "networkpolicies",
    "nodes",
    "pods",
    "replicasets",
    "services",
)
SHORT = {
    "cm": "configmaps",
    "deploy": "deployments",
    "ns": "namespaces",
    "no": "nodes",
    "po": "pods",
    "svc": "services",
}
SHORT |= {"netpol": "networkpolicies", "rs": "replicasets", "ev": "events"}
CLUSTER_SCOPED = ("namespaces", "nodes")
OPTIONS = ("--all-namespaces", "--namespace", "--output", "--selector", "--show-labels", "--watch")
FORMATS = ("json", "name", "wide", "yaml")
_LINE = re.compile(r"^\s*(?:!|%{1,2}|\w+\s*=\s*!)?(kubectl|node|pod|cluster)\s+(?:.*\s)?\S*$")


def install(shell: Any, session: Session) -> None:
    """Ask us first wherever the line is a command line of ours."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier="k8slearn")  # type: ignore[untyped-decorator]  # IPython carries no types
    def matcher(context: Any) -> dict[str, Any]:
        found = candidates(session, _line_of(context))
        shown = [SimpleCompletion(text=word) for word in found]
        fragment = re.split(r"\s", context.line_with_cursor[: context.cursor_position])[-1] if shown else ""
        return {"completions": shown, "suppress": bool(shown), "matched_fragment": fragment}

    shell.Completer.custom_matchers.append(matcher)


def _line_of(context: Any) -> str:
    """The line up to the cursor; in a ``%%kubectl`` cell it begins with kubectl even where that is left out."""
    line = str(context.line_with_cursor)[: context.cursor_position]
    inside = context.full_text.startswith("%%kubectl") and context.cursor_line > 0
    return f"kubectl {line}" if inside and not line.lstrip().startswith("kubectl") else line


def candidates(session: Session, line: str) -> list[str]:
    """What could stand at the end of this line; empty where the line is none of ours."""
    match = _LINE.match(line)
    if match is None:
        return []
    words = line.lstrip().lstrip("!%").split()
    if line[-1:].isspace():
        words.append("")
    words = words[words.index(match[1]) :] if match[1] in words else words
    try:
        offered = _TABLE[match[1]](session, words[1:])
    except (Refused, ValueError):
        return []
    return sorted({word for word in offered if word.startswith(words[-1])})


def _kubectl(session: Session, words: list[str]) -> Iterable[str]:
    done, last = words[:-1], words[-1]
    before = done[-1] if done else ""
    if before in ("-n", "--namespace"):
        return _names(session, "namespaces", "")
    if before in ("-o", "--output"):
        return FORMATS
    if last.startswith("-"):
        return OPTIONS
    plain = [w for i, w in enumerate(done) if not w.startswith("-") and (i == 0 or done[i - 1] not in ("-n", "-o"))]
    if not plain:
        return VERBS
    if plain[0] in ("exec", "logs"):
        return _names(session, "pods", _namespace(done)) if len(plain) == 1 else ()
    if len(plain) == 1:
        return (*RESOURCES, *(r.removesuffix("s") for r in ("pods", "nodes", "services")))
    return _names(session, _resource(plain[1]), _namespace(done))


def _namespace(words: list[str]) -> str:
    for option in ("-n", "--namespace"):
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return "default"


def _resource(word: str) -> str:
    found = SHORT.get(word, word)
    return found if found in RESOURCES else f"{found}s"


def _names(session: Session, resource: str, namespace: str) -> Iterable[str]:
    rows = session.cluster.world.table("api", resource)
    names = [str(name) for name in rows]
    if resource in CLUSTER_SCOPED:
        return names
    return [name.partition("/")[2] for name in names if name.partition("/")[0] == namespace]


_TABLE: dict[str, Callable[[Session, list[str]], Iterable[str]]] = {
    "kubectl": _kubectl,
    "node": lambda session, words: _names(session, "nodes", "") if len(words) == 1 else (),
    "pod": lambda session, words: map(str, session.cluster.world.table("api", "pods")) if len(words) == 1 else (),
    "cluster": lambda session, words: session.look() if len(words) == 1 else (),
}
"""The first word of a line -> what may follow."""
