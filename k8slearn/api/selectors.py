"""Label selectors: which objects a Service, a Deployment or a NetworkPolicy means.

A Service's selector is a plain map; newer objects have ``matchLabels`` and ``matchExpressions``; kubectl's ``-l``
writes the same on one line (``app=web,tier!=db,env in (a, b)``). All requirements must hold.

Left out: field selectors other than kubectl's own few (see shell/kubectl).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from k8slearn.errors import Refused

Labels = Mapping[str, str]
Requirement = tuple[str, str, tuple[str, ...]]
"""(key, operator, values); operators are the API's words: In, NotIn, Exists, DoesNotExist, Gt, Lt; ``==`` is a label of
``matchLabels``."""


def labels(obj: Mapping[str, Any]) -> Labels:
    """The labels of an object, never None."""
    return (obj.get("metadata") or {}).get("labels") or {}


def equal(selector: Labels | None, having: Labels) -> bool:
    """A Service's selector: every pair is there. An absent or empty one matches nothing."""
    return bool(selector) and all(having.get(k) == v for k, v in (selector or {}).items())


def matches(selector: Mapping[str, Any] | None, having: Labels) -> bool:
    """A LabelSelector: an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    pairs = selector.get("matchLabels") or {}
    return all(having.get(k) == v for k, v in pairs.items()) and all(
        holds((e["key"], e["operator"], tuple(e.get("values") or ())), having)
        for e in selector.get("matchExpressions") or ()
    )


def holds(requirement: Requirement, having: Labels) -> bool:
    """One requirement. ``NotIn`` and ``DoesNotExist`` hold for an object without the label."""
    key, operator, values = requirement
    value = having.get(key)
    if operator in ("In", "=="):
        return value is not None and value in values
    if operator == "NotIn":
        return value is None or value not in values
    if operator in ("Gt", "Lt"):
        return value is not None and _integer(value) and (int(value) > int(values[0])) is (operator == "Gt")
    return (value is not None) is (operator == "Exists")


def _integer(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,18}", text) is not None


_TERM = re.compile(
    r"\s*(?:(?P<key>!?\s*[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<set>\bin|\bnotin)\s*\((?P<values>[^()]*)\))?)\s*"
)


def parse(text: str) -> Sequence[Requirement]:
    """kubectl's ``-l``. Raises `Refused` in kubectl's words."""
    found: list[Requirement] = []
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or (term.end() < len(text) and text[term.end()] != ","):
            raise Refused(
                f"error: unable to parse requirement: found '{text[position:]}', expected: ',' or 'end of string'"
            )
        found.append(_requirement(term))
        position = term.end() + 1
    return found


def _requirement(term: re.Match[str]) -> Requirement:
    key = term["key"]
    if key.startswith("!"):
        return key[1:].strip(), "DoesNotExist", ()
    if term["op"]:
        return key, "NotIn" if term["op"] == "!=" else "In", (term["value"],)
    if term["set"]:
        return key, "In" if term["set"] == "in" else "NotIn", tuple(v.strip() for v in term["values"].split(","))
    return key, "Exists", ()


def written(selector: Mapping[str, Any] | None) -> str:
    """As kubectl prints a LabelSelector: ``app=web,tier in (a,b)``; ``<none>`` if it says nothing."""
    if not selector:
        return "<none>"
    pairs = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    return ",".join(pairs + [_expression(e) for e in selector.get("matchExpressions") or ()]) or "<none>"


def _expression(e: Mapping[str, Any]) -> str:
    key, operator, values = e["key"], e["operator"], ",".join(sorted(e.get("values") or ()))
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": str(key)}
    return forms.get(operator, f"!{key}")
