"""Objects as text: ``-o yaml``, ``json``, ``name``, ``jsonpath=…``, ``go-template=…``, ``custom-columns=…``.

kubectl prints keys in alphabetical order, lists without indentation, and puts quotation marks around text that would
otherwise be read as something else (``"80"``, ``"true"``, a date).

Left out: templates from files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from k8slearn.api import yamltext
from k8slearn.errors import Refused
from k8slearn.shell.kubectl import gotemplate, jsonpath
from k8slearn.shell.kubectl.gotemplate import go
from k8slearn.shell.kubectl.tabs import table

Obj = dict[str, Any]
FORMATS = (
    "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,"
    "template,templatefile,wide,yaml"
)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ].*)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|<<|=")


@cache
def _dumper() -> Any:
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]  # the C emitter, if PyYAML has it
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_text(self, text: str) -> Any:
            style = None
            if "\n" in text:
                style = "|"
            elif not isinstance(yamltext.plain(text) if text else None, str) or _DATE.fullmatch(text):
                style = '"'
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, Dumper.represent_text)
    return Dumper


def as_yaml(obj: Any) -> str:
    """An object as ``-o yaml`` prints it."""
    text: str = yaml.dump(obj, Dumper=_dumper(), default_flow_style=False, allow_unicode=True)
    return text


def as_json(obj: Any) -> str:
    """An object as ``-o json`` prints it."""
    return json.dumps(obj, indent=4, sort_keys=True, ensure_ascii=False) + "\n"


def as_list(objects: Sequence[Obj]) -> Obj:
    """Several objects as the one that kubectl prints."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def name(obj: Obj) -> str:
    """``pod/web``, ``deployment.apps/web``."""
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind'].lower()}{'.' + group if group else ''}/{obj['metadata']['name']}"


def printed(output: str, objects: Sequence[Obj], single: bool) -> str:
    """Objects in a format other than a table. Raises `Refused` in kubectl's words for one that there is not."""
    form, equals, argument = output.partition("=")
    whole = objects[0] if single and objects else as_list(objects)
    if form == "yaml":
        return as_yaml(whole)
    if form == "json":
        return as_json(whole)
    if form == "name":
        return "".join(name(obj) + "\n" for obj in objects)
    if form == "jsonpath":
        return _by_path(argument, whole) if equals else _missing("template format specified but no template given")
    if form in ("go-template", "template"):
        said = "template format specified but no template given"
        return gotemplate.render(argument, whole) if argument else _missing(said)
    if form == "custom-columns":
        return (
            _custom(argument, objects)
            if argument
            else _missing("custom-columns format specified but no custom columns given")
        )
    raise Refused(
        f'error: unable to match a printer suitable for the output format "{output}", allowed formats are: {FORMATS}'
    )


def _missing(why: str) -> str:
    raise Refused(f"error: {why}")


def _by_path(template: str, whole: Any) -> str:
    if template and "{" not in template:
        template = "{" + template + "}"
    try:
        return jsonpath.render(template, whole)
    except Refused as error:
        said = str(error)
        if said.startswith("error:"):
            raise
        raise Refused(f'error: error executing jsonpath "{template}": Error executing template: {said}') from None


def _custom(spec: str, objects: Sequence[Obj]) -> str:
    columns = [c.partition(":") for c in spec.split(",")]
    for header, colon, path in columns:
        if not colon or not path:
            raise Refused(f"error: unexpected custom-columns spec: {header}, expected <header>:<json-path-expr>")
    rows = [[header for header, _, _ in columns]]
    for obj in objects:
        rows.append([_cell(path, obj) for _, _, path in columns])
    return table(rows)


def _cell(path: str, obj: Obj) -> str:
    found = jsonpath.find(path.strip("{}"), obj)
    return ",".join(go(v) for v in found) or "<none>"
