"""Multus' own two programs, which make a node one of Multus' (multus-cni cmd/install_multus, cmd/thin_entrypoint).

The init container copies the plugin to the node. The other container then looks for the first configuration by name in
/etc/cni/net.d, that of the network that is there already, and writes another file before it, ``00-multus.conf`` (or
``.conflist`` from CNI 1.0.0 on): multus with that network as its delegate. It waits for nothing: where there is no
configuration yet it says so and ends, and the kubelet starts it again some time later.

It does not watch the file that it wrapped. When that changes, multus goes on with what it has copied.

Left out: ``--cleanup-config-on-exit`` (refused) with its watch, ``--rename-conf-file``, ``--cni-version``, the
kubeconfig's token and certificates, the thick plugin.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Generator
from typing import Any

from k8slearn.cni import multus, netconf, spec
from k8slearn.components.kubelet import mounts
from k8slearn.components.kubelet.mounts import Found
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Command
from k8slearn.linux.program import Result

BINARY = "/usr/src/multus-cni/bin/multus"
FLAGS = {
    "cni-bin-dir": "/host/opt/cni/bin",
    "cni-conf-dir": "/host/etc/cni/net.d",
    "multus-autoconfig-dir": "/host/etc/cni/net.d",
    "multus-conf-file": "auto",
    "multus-bin-file": BINARY,
    "multus-kubeconfig-file-host": "/etc/cni/net.d/multus.d/multus.kubeconfig",
    "multus-master-cni-file-name": "",
    "namespace-isolation": "false",
    "global-namespaces": "",
    "readiness-indicator-file": "",
    "multus-log-level": "",
    "multus-log-file": "",
    "override-network-name": "false",
    "additional-bin-dir": "",
    "skip-multus-binary-copy": "false",
}
"""The entrypoint's flags, with what they are where nothing is said."""
KUBECONFIG = """# Kubeconfig file for Multus CNI plugin.
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: https://{host}:443
users:
- name: multus
  user: {{}}
contexts:
- name: multus-context
  context:
    cluster: local
    user: multus
current-context: multus-context
"""
Obj = dict[str, Any]
assert multus.multus is not None, "a node that has its file can run it"
Writing = Generator[Command, None, Result | str]


def install(pod: Pod, spec: Obj, words: list[str]) -> Generator[Command, None, Result]:
    """``/install_multus --type thin``."""
    flags = _flags(words)
    if flags.get("type", flags.get("t")) != "thin":
        return Result("", "--type is missing or --type has invalid value\n", 1)
    file = mounts.read(pod, spec, BINARY)
    if file is None:
        return Result("", f"failed to copy file multus: open {BINARY}: no such file or directory\n", 1)
    to = flags.get("dest-dir", FLAGS["cni-bin-dir"])
    yield from mounts.write(pod, spec, posixpath.join(to, "multus"), file)
    return Result("multus thin copy succeeded!\n")


def entrypoint(pod: Pod, spec: Obj, words: list[str]) -> Writing:
    """``/thin_entrypoint``: what it printed; a Result where it could not, and so has ended (with 0, as in life)."""
    given = _flags(words)
    unknown = next((flag for flag in given if flag not in FLAGS), "")
    if unknown:
        return Result("", f"unknown flag: --{unknown} (or one that is not modelled here)\n", 2)
    flags = {**FLAGS, **given}
    file = mounts.read(pod, spec, flags["multus-bin-file"])
    if file is None:
        missing = f"stat {flags['multus-bin-file']}: no such file or directory"
        return Result("", f"multus-bin-file is not found: {missing}\n")
    if flags["skip-multus-binary-copy"] != "true":
        yield from mounts.write(pod, spec, posixpath.join(flags["cni-bin-dir"], "multus"), file)
    folder = flags["cni-conf-dir"]
    service: Obj = pod.world.get(("api", "services", "default/kubernetes")) or {}
    kubeconfig = KUBECONFIG.format(host=(service.get("spec") or {}).get("clusterIP", ""))
    yield from mounts.write(pod, spec, f"{folder}/multus.d/multus.kubeconfig", Found(kubeconfig, pod.row))
    said = f"kubeconfig is created in {folder}/multus.d/multus.kubeconfig\n"
    if flags["multus-conf-file"] != "auto":
        return (yield from _copied(pod, spec, flags["multus-conf-file"], folder, said))
    try:
        name, text, capable = _generated(pod, spec, flags)
    except ValueError as error:
        return Result(f"{said}kubeconfig file is created.\n", f"failed to create multus config: {error}\n")
    yield from mounts.write(pod, spec, f"{folder}/{name}", Found(text, pod.row))
    return f"{said}kubeconfig file is created.\n{capable}multus config file is created.\n"


def _copied(pod: Pod, spec: Obj, path: str, folder: str, said: str) -> Writing:
    file = mounts.read(pod, spec, path)
    if file is None:
        return Result("", f"multus-conf-file is not found: stat {path}: no such file or directory\n")
    yield from mounts.write(pod, spec, posixpath.join(folder, posixpath.basename(path)), file)
    return f"{said}multus config file {path} is copied.\n"


def _flags(words: list[str]) -> dict[str, str]:
    """pflag: ``--name=value``, ``--name value``, ``--name``."""
    found: dict[str, str] = {}
    for at, word in enumerate(words):
        if word.startswith("-"):
            name, equals, value = word.lstrip("-").partition("=")
            after = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else "true"
            found[name] = value if equals else after
    return found


def _generated(pod: Pod, container: Obj, flags: dict[str, str]) -> tuple[str, str, str]:
    """createMultusConfig(): (file, text, what it says of it). Raises ValueError in its words."""
    path, text = _master(pod, container, flags)
    try:
        master = dict(json.loads(text))
    except (ValueError, TypeError):
        raise ValueError("cannot read master CNI config json: it is none") from None
    version = master.get("cniVersion")
    if version is None:
        raise ValueError(f'cannot get cniVersion in master CNI config file "{path}": <nil>')
    listed = "plugins" in master
    parts = master["plugins"] if listed else [master]
    capabilities = {k: v for part in parts for k, v in sorted((part.get("capabilities") or {}).items())}
    optional = {
        "capabilities": capabilities,
        "namespaceIsolation": flags["namespace-isolation"] == "true",
        "globalNamespaces": flags["global-namespaces"],
        "logLevel": flags["multus-log-level"].lower(),
        "logFile": flags["multus-log-file"],
        "binDir": flags["additional-bin-dir"],
        "cniConf": "/host/etc/cni/multus/net.d",
        "readinessindicatorfile": flags["readiness-indicator-file"],
    }
    plugin = {
        "type": "multus",
        **{name: value for name, value in optional.items() if value},
        "kubeconfig": flags["multus-kubeconfig-file-host"],
        "delegates": [dict(sorted(master.items()))],
    }
    name = master.get("name", "") if flags["override-network-name"] == "true" else "multus-cni-network"
    head = {"cniVersion": version, "name": name}
    many = spec.at_least(version, "1.0.0")
    whole = {**head, "plugins": [plugin]} if many else {**head, **plugin}
    said = f"master capabilities is get from {'conflist' if listed else 'conffile'}\n"
    return f"00-multus.conf{'list' if many else ''}", json.dumps(whole, indent=4) + "\n", said


def _master(pod: Pod, container: Obj, flags: dict[str, str]) -> tuple[str, str]:
    """getMasterConfigPath(): the first configuration by name that is not multus' own, and its text."""
    folder, name = flags["multus-autoconfig-dir"], flags["multus-master-cni-file-name"]
    files = mounts.folder(pod, container, folder)
    paths = [path for path in netconf.paths(files, folder, (".conf", ".conflist")) if "/00-multus.conf" not in path]
    if not name and not paths:
        raise ValueError(f'cannot find valid master CNI config in "{folder}"')
    path = posixpath.join(folder, name) if name else paths[0]
    if path not in files:
        raise ValueError(f"file {path} not found: stat {path}: no such file or directory")
    return path, files[path]
