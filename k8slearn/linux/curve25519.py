"""X25519: from a private key to the public one, and from two keys to a secret that both ends know (RFC 7748).

A public key is the base point of a curve, multiplied by the private number; nobody knows how to divide. WireGuard's
keys are these, written in base64. The functions here are real (the RFC's test vectors hold), the randomness is not:
a private key is derived from words, so that the same journal makes the same keys.

Left out: constant time. Never use this code for secrets.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache

from k8slearn.journal import digest

P = 2**255 - 19
A24 = 121665
BASE = (9).to_bytes(32, "little")


def x25519(scalar: bytes, point: bytes) -> bytes:
    """The Montgomery ladder of RFC 7748, section 5; both arguments and the result have 32 bytes."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(128 << 248) | 64 << 248
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for bit in range(254, -1, -1):
        now = k >> bit & 1
        if swap != now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + A24 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def is_key(text: str) -> bool:
    """Is this a key as WireGuard writes it: 32 bytes in base64?"""
    try:
        return len(text) == 44 and text[43] == "=" and len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


@lru_cache(maxsize=1 << 12)
def public_key(private_key: str) -> str:
    """The public key of a private one, both base64; empty for empty."""
    if not private_key:
        return ""
    return base64.b64encode(x25519(base64.b64decode(private_key), BASE)).decode()


def clamped(key: str) -> str:
    """A private key as the kernel keeps it (`curve25519_clamp_secret`)."""
    raw = bytearray(base64.b64decode(key))
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return base64.b64encode(raw).decode()


def made_up_key(*words: object) -> str:
    """A private key out of these words: where the kernel would draw one, we derive it."""
    return clamped(preshared_key(*words))


def preshared_key(*words: object) -> str:
    """32 bytes out of these words."""
    return base64.b64encode(bytes.fromhex(digest("key", *words, length=64))).decode()
