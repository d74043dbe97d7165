"""What runs in a container: its process' name, the ports that it listens on, and whether it ends by itself.

Nothing is executed here. A container listens on the ports that it declares; one that declares none listens on what
its well-known image or its arguments imply. A program that plainly ends (``exit 1``, ``echo``, a shell without
input) ends at once.

Left out: programs that end later, scripts that do more than one of these things, and files in images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Obj = Mapping[str, Any]
Port = tuple[str, int]
"""``("tcp", 80)``"""


class Image(NamedTuple):
    """A well-known image: its process and the ports that it listens on by itself."""

    program: str
    ports: tuple[Port, ...] = ()


def _tcp(program: str, *ports: int) -> Image:
    return Image(program, tuple(("tcp", port) for port in ports))


IMAGES: Mapping[str, Image] = {
    "nginx": _tcp("nginx", 80),
    "httpd": _tcp("httpd", 80),
    "php-redis": _tcp("apache2", 80),
    "gb-frontend": _tcp("apache2", 80),
    "caddy": _tcp("caddy", 80),
    "traefik": _tcp("traefik", 80),
    "whoami": _tcp("whoami", 80),
    "hello": _tcp("nginx", 80),
    "hello-app": _tcp("hello-app", 8080),
    "node-hello": _tcp("node", 8080),
    "echoserver": _tcp("nginx", 8080),
    "http-echo": _tcp("http-echo", 5678),
    "tomcat": _tcp("java", 8080),
    "redis": _tcp("redis-server", 6379),
    "redis-follower": _tcp("redis-server", 6379),
    "gb-redis-follower": _tcp("redis-server", 6379),
    "gb-redisslave": _tcp("redis-server", 6379),
    "valkey": _tcp("valkey-server", 6379),
    "memcached": _tcp("memcached", 11211),
    "postgres": _tcp("postgres", 5432),
    "mysql": _tcp("mysqld", 3306),
    "mariadb": _tcp("mariadbd", 3306),
    "mongo": _tcp("mongod", 27017),
    "rabbitmq": _tcp("beam.smp", 5672),
    "nats": _tcp("nats-server", 4222),
    "elasticsearch": _tcp("java", 9200),
    "etcd": _tcp("etcd", 2379),
    "registry": _tcp("registry", 5000),
    "serve_hostname": _tcp("serve_hostname", 9376),
    "coredns": Image("coredns", (("udp", 53), ("tcp", 53))),
    "pause": Image("pause"),
}
AGENTS: Mapping[str, str] = {
    "calico/node": "calico-node",
    "dns/k8s-dns-node-cache": "node-cache",
    "/amazon-k8s-cni": "aws-k8s-agent",
    "envoyproxy/envoy": "envoy",
    "envoyproxy/gateway": "envoy-gateway",
    "ingress-nginx/controller": "nginx-ingress-controller",
    "metallb/controller": "metallb-controller",
    "metallb/speaker": "metallb-speaker",
}
"""Agents of networks and proxies: the end of the image's path, and the process."""
BIND_THEMSELVES = ("node-cache",)
"""Programs whose sockets are not those that their containers declare: they open them when they know their addresses."""
SHELLS = ("busybox", "alpine", "debian", "ubuntu", "fedora", "centos", "rockylinux", "almalinux", "bash")
"""Images whose default program is a shell: without standard input it has nothing to do, and ends."""
BARE = (*SHELLS, "nginx", "httpd")
"""Images whose programs are the usual tools, and a server."""
ONE_SHOT = ("hello-world",)
AGNHOST: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    "netexec": (("tcp", "http-port", 8080), ("udp", "udp-port", 8081)),
    "serve-hostname": (("tcp", "port", 9376),),
    "test-webserver": (("tcp", "port", 80),),
    "nettest": (("tcp", "port", 8080),),
    "guestbook": (("tcp", "http-port", 3000),),
}
"""agnhost's subcommands: protocol, flag, and the port without the flag."""
ARGUMENTS: tuple[tuple[re.Pattern[str], str, int], ...] = (
    (re.compile(r"\bnc\b(?=[^;|&]*\s-\w*u)(?=[^;|&]*\s-\w*l)[^;|&]*?\s(?:-\w*p\s*)?(\d+)"), "udp", 0),
    (re.compile(r"\bnc\b(?=[^;|&]*\s-\w*l)[^;|&]*?\s(?:-\w*p\s*)?(\d+)"), "tcp", 0),
    (re.compile(r"\bhttpd\b[^;|&]*?-p\s*(?:[\d.]+:)?(\d+)"), "tcp", 0),
    (re.compile(r"\bhttpd\b(?![^;|&]*-p)()"), "tcp", 80),
    (re.compile(r"\bhttp\.server\b\s*(\d*)"), "tcp", 8000),
    (re.compile(r"\bSimpleHTTPServer\b\s*(\d*)"), "tcp", 8000),
    (re.compile(r"(?i)\bTCP4?-LISTEN:(\d+)"), "tcp", 0),
    (re.compile(r"(?i)\bUDP4?-(?:LISTEN|RECVFROM):(\d+)"), "udp", 0),
    (re.compile(r"(?<!\S)-listen[= ]\S*?:(\d+)"), "tcp", 0),
    (re.compile(r"(?<!\S)--(?:http-)?port[= ](\d+)"), "tcp", 0),
)
"""What a command line says of the port: pattern, protocol, and the port where the pattern finds none."""

ENDS = (
    "true",
    ":",
    "echo",
    "printf",
    "date",
    "env",
    "ls",
    "hostname",
    "uname",
    "id",
    "pwd",
    "whoami",
    "perl",
    "nslookup",
)
_STAYS = re.compile(r"\b(while|until|for|sleep|tail -f|wait|exec|nc|httpd|socat|python3?|top|watch)\b")
_EXIT = re.compile(r"\bexit\s+(\d+)\s*;?\s*$")


def short_name(image: str) -> str:
    """The last part of an image's name: ``registry.k8s.io/e2e-test-images/agnhost:2.53`` is ``agnhost``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def full_name(image: str) -> str:
    """The image as containerd names it: ``nginx`` is ``docker.io/library/nginx:latest``."""
    name, _, digest_ = image.partition("@")
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    if digest_:
        return f"{name}@{digest_}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def command_line(container: Obj) -> list[str]:
    """The words that the container runs in place of its image's own (empty: nothing is overridden)."""
    return [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]


def program(container: Obj) -> str:
    """The name of the container's process."""
    command = container.get("command")
    if command:
        return str(command[0]).rpartition("/")[2]
    image = short_name(container.get("image", ""))
    agent = _agent(container.get("image", ""))
    if agent:
        return agent
    if image in SHELLS:
        words = command_line(container)
        return words[0].rpartition("/")[2] if words else "sh"
    return IMAGES[image].program if image in IMAGES else image


def _agent(image: str) -> str:
    path = image.partition("@")[0].removesuffix(":" + image.rpartition(":")[2])
    return next((name for end, name in AGENTS.items() if path.endswith(end)), "")


def ports(container: Obj) -> list[Port]:
    """What it listens on: declared ports, or else those that image and arguments imply."""
    if program(container) in BIND_THEMSELVES:
        return []
    declared = [(str(p.get("protocol", "TCP")).lower(), p["containerPort"]) for p in container.get("ports") or ()]
    return list(dict.fromkeys(declared or _implied(container)))


def _implied(container: Obj) -> list[Port]:
    words, image = command_line(container), short_name(container.get("image", ""))
    if image == "agnhost" or (words and words[0].endswith("agnhost")):
        return _agnhost(words)
    line = " ".join(words)
    found = [(proto, int(m.group(1) or port)) for pattern, proto, port in ARGUMENTS for m in pattern.finditer(line)]
    if any(proto == "udp" for proto, _ in found):
        found = [port for port in found if port[0] == "udp" or ("udp", port[1]) not in found]
    if found or container.get("command"):
        return [port for port in found if 0 < port[1] < 65536]
    return list(IMAGES[image].ports) if image in IMAGES else []


def _agnhost(words: list[str]) -> list[Port]:
    command = next((word for word in words if word in AGNHOST), "")
    line = " ".join(words)
    found = []
    for proto, flag, default in AGNHOST.get(command, ()):
        said = re.search(rf"--{flag}[= ](\d+)", line)
        found.append((proto, int(said.group(1)) if said else default))
    return found


GREETINGS: Mapping[str, str] = {
    "serve_hostname": "{hostname}",
    "serve-hostname": "{hostname}",
    "echoserver": "\n\nHostname: {hostname}\n\nRequest Information:\n\tclient_address={client}\n\tmethod=GET\n",
    "echoserver:1.4": "CLIENT VALUES:\nclient_address={client}\ncommand=GET\nreal path=/\n",
}
"""What images of the documentation's pages say to whoever asks them (others say hello): by image, or image and tag."""


def greeting(container: Obj, hostname: str) -> str:
    """What its listener says; empty: hello. ``{client}`` stands for the address of who asks."""
    image, words = short_name(container.get("image", "")), command_line(container)
    tagged = container.get("image", "").rpartition("/")[2].partition("@")[0]
    command = "serve-hostname" if image == "agnhost" and "serve-hostname" in words else image
    return GREETINGS.get(tagged, GREETINGS.get(command, "")).replace("{hostname}", hostname)


def ending(container: Obj) -> int | None:
    """The exit code of a program that ends at once, or None for one that stays."""
    words, image = command_line(container), short_name(container.get("image", ""))
    if not words:
        shell = image in SHELLS and not container.get("stdin")
        return 0 if shell or image in ONE_SHOT else None
    first = words[0].rpartition("/")[2]
    if first in ("sh", "bash", "ash") and len(words) > 2 and words[1].startswith("-") and "c" in words[1]:
        return _script_ending(words[2])
    if first == "false":
        return 1
    return 0 if first in ENDS else None


def _script_ending(script: str) -> int | None:
    said = _EXIT.search(script)
    if said is not None:
        return int(said.group(1)) & 255
    statements = [s.split()[0] for s in re.split(r"[;&|\n]+", script) if s.split()]
    if _STAYS.search(script) or not statements:
        return None
    if statements[-1] == "false":
        return 1
    return 0 if all(word.rpartition("/")[2] in ENDS for word in statements) else None


IGNORES = ("sleep", "sh", "bash", "ash", "tail", "nc", "cat", "top", "watch", "perl", "python", "python3", "node")
"""Programs that do not handle SIGTERM: as process 1 of a container the kernel does not even deliver it to them."""
TERMINATED = {**dict.fromkeys(("java", "beam.smp"), 143), **dict.fromkeys(("whoami", "hello-app", "http-echo"), 2)}
"""What others exit with after SIGTERM, where it is not 0 (Java reports the signal, Go's runtime dies with 2)."""


def on_sigterm(name: str) -> int | None:
    """The exit code with which a process ends on SIGTERM, at once; None: it does not, and has to be killed."""
    return None if name in IGNORES else TERMINATED.get(name, 0)


IN_USE: Mapping[str, str] = {
    "nginx": "nginx: [emerg] bind() to 0.0.0.0:{port} failed (98: Address already in use)",
    "httpd": "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:{port}",
    "redis-server": "Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use",
    "nc": "nc: bind: Address already in use",
}


def in_use(name: str, port: Port) -> str:
    """What a program prints when another holds its port (EADDRINUSE)."""
    words = IN_USE.get(name, "listen {proto} :{port}: bind: address already in use")
    return words.format(proto=port[0], port=port[1]) + "\n"
