"""A course's signature under one learner's variant of one exercise.

Whoever knows the names of the exercise and the learner can draw an unsigned variant. A course that keeps a **secret**
writes a token into each learner's version (`release`); the variant is drawn from it, and the grader, who has the
secret, makes the token again (HMAC-SHA-256, RFC 2104). A token is 32 hex digits of the HMAC and 8 of a plain digest
of it with both names, so that a token that was mistyped or is somebody else's is noticed when the exercise opens.

Left out: tokens that expire, and several secrets at once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from k8slearn.errors import Refused
from k8slearn.journal import digest

LEAST_SECRET = 16


def sign(secret: bytes, exercise: str, learner: str) -> str:
    """The token of one learner for one exercise."""
    signed = hmac.new(secret, f"{exercise}\0{learner}".encode(), hashlib.sha256).hexdigest()[:32]
    return signed + _control(signed, exercise, learner)


def accepted(token: str, exercise: str, learner: str) -> str:
    """The token, if it is of this learner's version; raises `Refused` if it cannot be. The grader knows for certain."""
    if not token or hmac.compare_digest(token[32:].encode(), _control(token[:32], exercise, learner).encode()):
        return token
    raise Refused(f"this token is not the one that the course released to {learner!r} for the exercise {exercise}")


def _control(signed: str, exercise: str, learner: str) -> str:
    return digest("token", signed, exercise, learner, length=8)


def read_secret(path: Path) -> bytes:
    """The secret in this file; raises `Refused` when there is none worth the name."""
    try:
        secret = path.read_bytes().strip()
    except OSError as wrong:
        raise Refused(f"the course's secret {path} cannot be read: {wrong.strerror}") from wrong
    if len(secret) < LEAST_SECRET:
        raise Refused(f"the course's secret {path} has {len(secret)} bytes; at least {LEAST_SECRET} are needed")
    return secret


def make_secret(path: Path) -> bytes:
    """The secret in this file, which only its owner can read; made when there is none yet."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    return read_secret(path)
