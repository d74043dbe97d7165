"""From a name to an address, as getaddrinfo() does it: numbers, then /etc/hosts, then DNS.

Left out: DNS. Until a DNS server runs in the cluster, a name that no file knows stays unresolved.
"""

from __future__ import annotations

from k8slearn.linux import ip
from k8slearn.shell.process import Process


def resolve(process: Process, name: str) -> str | None:
    """The address of a host name (of either family where it is a number), or None."""
    try:
        return ip.canonical(name)
    except ValueError:
        return "127.0.0.1" if name == "localhost" else _from_file(process, name)


def _from_file(process: Process, name: str) -> str | None:
    hosts: str = process.world.get((process.files, "file", "/etc/hosts")) or ""
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if name.lower() in names and ":" not in address:
            return address
    return None
