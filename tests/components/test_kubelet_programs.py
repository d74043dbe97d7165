"""Which ports a container listens on, and whether its program ends by itself."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn.components.kubelet import programs


@pytest.mark.parametrize(
    ("container", "ports"),
    [
        ({"image": "nginx:1.25"}, [("tcp", 80)]),
        ({"image": "docker.io/library/redis@sha256:00"}, [("tcp", 6379)]),
        ({"image": "nginx", "ports": [{"containerPort": 8080}]}, [("tcp", 8080)]),
        ({"image": "x", "ports": [{"containerPort": 53, "protocol": "UDP"}]}, [("udp", 53)]),
        ({"image": "example.com:5000/team/tool:v1"}, []),
        (
            {"image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": ["netexec", "--http-port=8888"]},
            [("tcp", 8888), ("udp", 8081)],
        ),
        ({"image": "agnhost", "args": ["pause"]}, []),
        ({"image": "hashicorp/http-echo", "args": ["-text=hi", "-listen=:9999"]}, [("tcp", 9999)]),
        ({"image": "hashicorp/http-echo", "args": ["-text=hi"]}, [("tcp", 5678)]),
        ({"image": "busybox", "command": ["nc", "-lk", "-p", "7000"]}, [("tcp", 7000)]),
        ({"image": "busybox", "command": ["sh", "-c", "while true; do nc -l -p 7001 -e cat; done"]}, [("tcp", 7001)]),
        ({"image": "busybox", "command": ["nc", "-u", "-l", "-p", "7002"]}, [("udp", 7002)]),
        ({"image": "busybox", "command": ["httpd", "-f", "-p", "8080"]}, [("tcp", 8080)]),
        ({"image": "busybox", "command": ["httpd", "-f"]}, [("tcp", 80)]),
        ({"image": "python:3", "command": ["python3", "-m", "http.server"]}, [("tcp", 8000)]),
        ({"image": "redis", "args": ["--port", "6380"]}, [("tcp", 6380)]),
        ({"image": "nginx", "command": ["sleep", "infinity"]}, []),
        ({"image": "busybox", "command": ["sh", "-c", "while true; do sleep 10; done"]}, []),
    ],
)
def test_a_container_listens_on_declared_or_else_on_implied_ports(container: dict[str, Any], ports: list[Any]) -> None:
    assert programs.ports(container) == ports


@pytest.mark.parametrize(
    ("container", "code"),
    [
        ({"image": "busybox"}, 0),
        ({"image": "busybox", "stdin": True, "tty": True}, None),
        ({"image": "nginx"}, None),
        ({"image": "busybox", "command": ["sh", "-c", "echo hello"]}, 0),
        ({"image": "busybox", "command": ["sh", "-c", "echo hello; exit 7"]}, 7),
        ({"image": "busybox", "command": ["sh", "-c", "while true; do date; sleep 1; done"]}, None),
        ({"image": "busybox", "command": ["false"]}, 1),
        ({"image": "busybox", "args": ["sleep", "3600"]}, None),
        ({"image": "hello-world"}, 0),
    ],
)
def test_a_program_that_plainly_ends_ends_at_once(container: dict[str, Any], code: int | None) -> None:
    assert programs.ending(container) == code


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("team/tool:v1", "docker.io/team/tool:v1"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost:5000/tool", "localhost:5000/tool:latest"),
    ],
)
def test_an_image_has_a_full_name(image: str, name: str) -> None:
    assert programs.full_name(image) == name
