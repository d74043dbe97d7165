"""Network configurations: the files in /etc/cni/net.d, and which of them is the network.

A configuration list (``.conflist``) names the plugins of one network in their order; a single plugin's file (``.conf``,
``.json``) counts as a list of one. With CNI 1.1.0 further plugins may stand in a folder beside the list that is named
after the network (``10-x.conflist`` and ``x/20-portmap.conf``), unless ``loadOnlyInlinedPlugins`` says no, and
``cniVersions`` may offer several versions: the newest that the runtime speaks is taken.

A container runtime takes the first valid file by name for its pods (`network`); ``cnitool`` asks for a network by its
name, and says what is wrong with a file (`load`). The words are libcni's (conf.go).

Left out: nothing of these.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import spec
from k8slearn.cni.skel import go_words
from k8slearn.cni.spec import CniError
from k8slearn.journal import Table, World

CONFIG_DIR = "/etc/cni/net.d/"
LISTS, SINGLES = (".conflist",), (".conf", ".json")
_LIST = "error parsing configuration list: "
_GO_TYPES = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}", type(None): "<nil>"}


class Network(NamedTuple):
    """A network configuration list: its text, and what it says."""

    text: str
    name: str
    version: str
    types: tuple[str, ...]
    disable_check: bool = False
    disable_gc: bool = False
    single: bool = False
    """One plugin that is called without a list (libcni's AddNetwork): its failure is told without its name."""


def network(world: World, node: str) -> Network | None:
    """The network of this node's pods: the first valid configuration by name, or None."""
    return world.table(node, "file").index(_network)


def _network(files: Table) -> Network | None:
    found = (_valid(files, path) for path in paths(files, CONFIG_DIR, (*LISTS, *SINGLES)))
    return next((one for one in found if one is not None), None)


def paths(files: Mapping[Any, str], folder: str, endings: tuple[str, ...]) -> list[str]:
    """The files of a folder itself that end so, sorted."""
    folder = folder.rstrip("/") + "/"
    names = (str(path) for path in files if str(path).startswith(folder) and "/" not in str(path)[len(folder) :])
    return sorted(name for name in names if posixpath.splitext(name)[1] in endings)


def _valid(files: Mapping[Any, str], path: str) -> Network | None:
    try:
        return read(files, path)
    except CniError:
        return None


def parse(path: str, text: str) -> Network | None:
    """A configuration file by itself, or None where it is not valid."""
    return _valid({path: text}, path)


def load(files: Mapping[Any, str], folder: str, name: str) -> Network:
    """The network of this name in a folder: lists first, then single plugins. Raises CniError in libcni's words."""
    lists, singles = paths(files, folder, LISTS), paths(files, folder, SINGLES)
    for path in (*lists, *singles):
        found = read(files, path)
        if found.name == name:
            return found
    if not lists and not singles:
        raise CniError(f"no net configurations found in {folder}")
    raise CniError(f'no net configuration with name "{name}" in {folder}')


def read(files: Mapping[Any, str], path: str) -> Network:
    """The network of one file. Raises CniError with what is wrong with it."""
    text = files[path]
    if not path.endswith(LISTS):
        return _single(text)
    config = _list(text)
    more: list[dict[str, Any]] = []
    if not _switch(config, "loadOnlyInlinedPlugins"):
        folder = f"{posixpath.dirname(path)}/{config['name']}"
        more = [_plugin(files[other]) for other in paths(files, folder, (".conf",))]
    elif "plugins" not in config:
        raise CniError(f"{_LIST}`loadOnlyInlinedPlugins` is true, and no 'plugins' key")
    plugins = [*config.get("plugins", ()), *more]
    if not plugins:
        raise CniError("no plugin configs found")
    return _made(config, plugins)


@lru_cache(maxsize=256)
def _single(text: str) -> Network:
    plugin = _plugin(text)
    if not plugin.get("name"):
        raise CniError(f"{_LIST}no name")
    return _made({"name": plugin["name"], "cniVersion": plugin.get("cniVersion", "")}, [plugin])


def _made(config: Mapping[str, Any], plugins: list[dict[str, Any]]) -> Network:
    version = _version(config)
    kept = {name: config[name] for name in ("disableCheck", "disableGC") if name in config}
    listed = {"cniVersion": version or "0.1.0", "name": config["name"], **kept, "plugins": plugins}
    switches = (_switch(config, name) for name in ("disableCheck", "disableGC"))
    return Network(json.dumps(listed), config["name"], version or "0.1.0", tuple(p["type"] for p in plugins), *switches)


@lru_cache(maxsize=256)
def _list(text: str) -> Mapping[str, Any]:
    """A list with what every list has. (Nobody changes it.)"""
    config = _json(text, _LIST, "map[string]interface {}")
    if "name" not in config:
        raise CniError(f"{_LIST}no name")
    if not isinstance(config["name"], str):
        raise CniError(f"{_LIST}invalid name type {_type(config['name'])}")
    _version(config)
    for switch in ("disableCheck", "disableGC", "loadOnlyInlinedPlugins"):
        _switch(config, switch)
    if "plugins" in config:
        if not isinstance(config["plugins"], list):
            raise CniError(f"{_LIST}invalid 'plugins' type {_type(config['plugins'])}")
        if not config["plugins"]:
            raise CniError(f"{_LIST}no plugins in list")
        for number, plugin in enumerate(config["plugins"]):
            try:
                _plugin(json.dumps(plugin))
            except CniError as error:
                raise CniError(f"failed to parse plugin config {number}: {error.msg}") from None
    return config


@lru_cache(maxsize=1024)
def _plugin(text: str) -> dict[str, Any]:
    """One plugin's configuration. (Nobody changes it.)"""
    plugin = _json(text, "error parsing configuration: ", "types.PluginConf")
    if not plugin.get("type") or not isinstance(plugin["type"], str):
        raise CniError("error parsing configuration: missing 'type'")
    return plugin


def _json(text: str, doing: str, go: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CniError(doing + go_words(text, error)) from None
    if not isinstance(config, dict):
        kind = {str: "string", bool: "bool", list: "array"}.get(type(config), "number")
        raise CniError(f"{doing}json: cannot unmarshal {kind} into Go value of type {go}")
    return config


def _type(value: Any) -> str:
    return _GO_TYPES.get(type(value), "float64")


def _switch(config: Mapping[str, Any], name: str) -> bool:
    """A boolean, which may be written as text."""
    value = config.get(name, False)
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise CniError(f"{_LIST}invalid type {_type(value)} for {name}")
    if value.lower() not in ("true", "false"):
        raise CniError(f'{_LIST}invalid value "{value.lower()}" for {name}')
    return value.lower() == "true"


def _version(config: Mapping[str, Any]) -> str:
    """``cniVersion``, or the newest of ``cniVersions`` that this runtime speaks."""
    said = config.get("cniVersion", "")
    if not isinstance(said, str):
        raise CniError(f"{_LIST}invalid cniVersion type {_type(said)}")
    if "cniVersions" not in config:
        return said
    offered = config["cniVersions"]
    if not isinstance(offered, list):
        raise CniError(f"{_LIST}invalid type for cniVersions: {_type(offered)}")
    known = []
    for number, version in enumerate([*offered, *([said] if said else [])]):
        if not isinstance(version, str):
            raise CniError(f"{_LIST}invalid type for cniVersions index {number}: {_type(version)}")
        try:
            known += [version] if spec.at_least(spec.CURRENT, version) else []
        except CniError as error:
            raise CniError(f"{_LIST}invalid cniVersions entry {version} at index {number}: {error.msg}") from None
    return max(known, key=spec.numbers, default=said)
