from __future__ import annotations
from typing import Any
from k8slearn.api.kinds import Kind
def metadata(kind: Kind, obj: dict[str, Any]) -> None: pass
def created(kind: Kind, obj: dict[str, Any]) -> list[str]: return []
def updated(kind: Kind, obj: dict[str, Any], old: dict[str, Any]) -> list[str]: return []
