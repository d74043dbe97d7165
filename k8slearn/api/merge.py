"""``kubectl apply`` on what exists: three texts become one.

kubectl keeps what was applied last in the annotation ``last-applied-configuration``. What the new text says is set;
what the last one said and the new one does not is taken away; everything else (defaults, a
Service's address, what ``kubectl scale`` set) stays. Lists of things with a name are merged by that name,
others are replaced, as the API's ``patchMergeKey`` tags say.

Left out: the directives of strategic merge patches ($patch, $retainKeys, $deleteFromPrimitiveList).
"""

from __future__ import annotations

import json
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_BY_NAME = {
    **dict.fromkeys(("containers", "initContainers", "env", "volumes", "imagePullSecrets", "secrets"), "name"),
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
    "taints": "key",
    "conditions": "type",
}
_WHOLE = {"strategy", "updateStrategy"}
"""Unions: when the type changes, what belonged to the old type goes (``patchStrategy: retainKeys``)."""


def last_applied(obj: dict[str, Any]) -> dict[str, Any]:
    """What was applied last, or nothing."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def three_way(last: Any, new: Any, live: Any, typed: bool = True) -> Any:
    """The live value after applying `new` over `last`; `typed`: lists have merge keys (built-in kinds)."""
    if not (isinstance(new, dict) and isinstance(live, dict)):
        return new
    last = last if isinstance(last, dict) else {}
    merged = {k: v for k, v in live.items() if k in new or k not in last}
    for key, value in new.items():
        merged[key] = _field(key, last.get(key), value, merged.get(key), typed)
    return merged


def _field(key: str, last: Any, new: Any, live: Any, typed: bool) -> Any:
    if isinstance(new, list) and isinstance(live, list) and typed:
        return _list(key, last if isinstance(last, list) else [], new, live)
    if key in _WHOLE and isinstance(live, dict) and isinstance(new, dict) and new.get("type") != live.get("type"):
        return new
    return three_way(last, new, live, typed)


def _list(field: str, last: list[Any], new: list[Any], live: list[Any]) -> list[Any]:
    name = _merge_key(field, new, live)
    if name is None:
        return new
    before, now = _named(last, name), _named(live, name)
    wanted = _named(new, name)
    if len(wanted) != len(new) or len(now) != len(live):
        return new
    kept = [v for k, v in now.items() if k not in wanted and k not in before]
    if field == "volumes":
        return [*new, *kept]
    return [three_way(before.get(k), v, now[k]) if k in now else v for k, v in wanted.items()] + kept


def _merge_key(field: str, new: list[Any], live: list[Any]) -> str | None:
    items = [*new, *live]
    if not all(isinstance(i, dict) for i in items):
        return None
    if field == "ports":
        return next((k for k in ("containerPort", "port") if all(_ports_by(k, i) for i in items)), None)
    return _BY_NAME.get(field)


def _ports_by(key: str, port: dict[str, Any]) -> bool:
    """Containers' ports are merged by containerPort, a Service's by port; a NetworkPolicy's are not."""
    return key in port and (key == "containerPort" or "targetPort" in port or "nodePort" in port or "name" in port)


def _named(items: list[Any], name: str) -> dict[Any, Any]:
    return {i[name]: i for i in items if isinstance(i, dict) and isinstance(i.get(name), (str, int))}
