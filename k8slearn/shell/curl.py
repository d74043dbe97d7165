"""``curl``: ask a web server for something (7.88).

The words and the exit status are curl's: 6 no such name, 7 no connection (``-v`` says whether it was refused or
unreachable), 28 nothing came in time. The milliseconds that it prints are those of the logical conversation and are
not measured. Without ``-m`` or ``--connect-timeout`` a client here gives up connecting after 4.5 seconds, where a real
Linux tries for two minutes, and waits a minute for an answer. Standard output is taken for a terminal, so there is no
progress meter.

An https request needs ``-k``: no certificate here is signed by anybody whom curl trusts.

Left out: schemes other than http and https, request bodies (``-d`` makes it a POST), cookies, what ``-v`` tells of
TLS, error 35 where a server does not speak TLS (its 400 is printed); options that change none of the network's part are
accepted (``-4 -g ...``).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import socket
from k8slearn.linux.listen import place
from k8slearn.linux.program import Result, Running
from k8slearn.shell.http import PORTS, Fetched, Words, fetch, parse
from k8slearn.shell.process import Process

VERSION = "curl 7.88.1 (x86_64-pc-linux-gnu)\nProtocols: http https\n"
HINT = "curl: try 'curl --help' or 'curl --manual' for more information\n"
SHORT = {
    **{"s": "silent", "S": "show-error", "v": "verbose", "I": "head", "i": "include", "o": "output", "w": "write-out"},
    **{"m": "max-time", "f": "fail", "k": "insecure", "L": "location", "4": "ipv4", "H": "header", "X": "request"},
    **{"A": "user-agent", "O": "remote-name", "V": "version", "N": "no-buffer", "g": "globoff"},
    **{"d": "data"},
}
WITH_VALUE = {
    *("output", "write-out", "max-time", "connect-timeout", "header", "request", "user-agent", "retry", "retry-delay"),
    *("interface", "resolve", "connect-to", "data", "url"),
}
FLAGS = {
    *("silent", "show-error", "verbose", "head", "include", "fail", "insecure", "location", "ipv4", "version"),
    *("no-buffer", "globoff", "no-progress-meter", "retry-connrefused", "fail-with-body", "http1.1"),
}
NUMBERS = ("max-time", "connect-timeout")
REDIRECTS = 50
UNTRUSTED = """SSL certificate problem: self-signed certificate
More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the web page mentioned above."""


@dataclass(slots=True)
class Asked:
    """A command line."""

    told: dict[str, str] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    places: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        usual = "HEAD" if self.has("head") else "POST" if self.has("data") else "GET"
        return Words(self.told.get("request", usual), tuple(self.headers), self.places)

    def number(self, name: str) -> float:
        return float(self.told.get(name, "0")) or float("inf")

    def has(self, name: str) -> bool:
        return name in self.told


@dataclass(slots=True)
class Output:
    """What one transfer printed."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


def program(process: Process) -> Running:
    """Run ``curl``."""
    asked = _read(list(process.argv))
    if asked.has("version"):
        return Result(VERSION)
    if not asked.urls:
        raise CommandError(HINT, 2)
    total = Output()
    for url in asked.urls:
        one = yield from _transfer(process, asked, url)
        total = Output(total.stdout + one.stdout, total.stderr + one.stderr, one.exit_code)
    return Result(total.stdout, total.stderr, total.exit_code)


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = words.pop(0)
        if word.startswith("--") and len(word) > 2:
            _option(asked, word, word[2:], words)
        elif word.startswith("-") and len(word) > 1:
            _letters(asked, word, words)
        else:
            asked.urls.append(word)
    return asked


def _letters(asked: Asked, word: str, words: list[str]) -> None:
    """``-sSo/dev/null``: several letters, the last of which may take the rest as its value."""
    for at, letter in enumerate(word[1:], 1):
        name = SHORT.get(letter, "")
        if name in WITH_VALUE and word[at + 1 :]:
            words.insert(0, word[at + 1 :])
        _option(asked, f"-{letter}", name, words)
        if name in WITH_VALUE:
            return


def _option(asked: Asked, word: str, name: str, words: list[str]) -> None:
    if name not in FLAGS | WITH_VALUE:
        raise CommandError(f"curl: option {word}: is unknown\n{HINT}", 2)
    if name in WITH_VALUE and not words:
        raise CommandError(f"curl: option {word}: requires parameter\n{HINT}", 2)
    value = words.pop(0) if name in WITH_VALUE else ""
    if name in NUMBERS and not re.fullmatch(r"\d+(\.\d+)?", value):
        raise CommandError(f"curl: option {word}: expected a proper numerical parameter\n{HINT}", 2)
    if name == "url":
        asked.urls.append(value)
    elif name == "header":
        key, colon, text = value.partition(":")
        asked.headers += [(key.strip(), text.strip())] if colon and text.strip() else []
    elif name in ("resolve", "connect-to"):
        _place(asked, name, value)
    else:
        asked.told[name] = value


def _place(asked: Asked, name: str, value: str) -> None:
    """``--resolve HOST:PORT:ADDRESS``, ``--connect-to HOST:PORT:HOST:PORT``."""
    host, port, to, *last = [*value.split(":", 3 if name == "connect-to" else 2), "", ""]
    if not port.isdecimal() or not to:
        raise CommandError(f"curl: (49) Couldn't parse CURLOPT_{name.replace('-', '_').upper()} entry '{value}'\n", 49)
    asked.places[host.lower(), int(port)] = (to, int(last[0]) if name == "connect-to" and last[0] else int(port))


def _transfer(process: Process, asked: Asked, text: str) -> Generator[Command, None, Output]:
    url = parse(text)
    if url is None:
        return _failed(asked, 3, "URL using bad/illegal format or missing URL")
    if url.scheme not in PORTS:
        return _failed(asked, 1, f'Protocol "{url.scheme}" not supported or disabled in libcurl')
    patience = min(asked.number("max-time"), asked.number("connect-timeout"), process.limit, socket.PATIENCE)
    whole = min(asked.number("max-time"), process.limit)
    words = asked.words
    fetched = yield from fetch(process, url, patience, whole if whole < float("inf") else 0.0, words)
    for _ in range(REDIRECTS):
        onward = parse(fetched.location) if asked.has("location") and fetched.location else None
        if onward is None or _sealed(asked, fetched):
            break
        kept = tuple(told for told in words.headers if told[0].lower() != "host" or onward.host == url.host)
        words = Words(words.method, kept, words.places)
        fetched = yield from fetch(process, onward, patience, whole if whole < float("inf") else 0.0, words)
    if process.limit <= max(patience, min(whole, fetched.seconds)) and fetched.ending.outcome == "timeout":
        return Output(exit_code=124)
    out = Output()
    if asked.has("verbose"):
        out.stderr += _story(asked, fetched)
    if fetched.ending.outcome == "connected" and not _sealed(asked, fetched):
        out.stdout += _body(asked, fetched)
    else:
        failed = _failed(asked, *_complaint(asked, fetched))
        out.stderr, out.exit_code = out.stderr + failed.stderr, failed.exit_code
    if asked.has("write-out"):
        written, unknown = _write_out(
            asked.told["write-out"], fetched, out.exit_code, _complaint(asked, fetched)[1], asked.words.method
        )
        out.stdout, out.stderr = out.stdout + written, out.stderr + unknown
    return out


def _failed(asked: Asked, code: int, words: str) -> Output:
    quiet = asked.has("silent") and not asked.has("show-error")
    return Output("", "" if quiet else f"curl: ({code}) {words}\n", code)


def _body(asked: Asked, fetched: Fetched) -> str:
    body = "" if asked.has("head") else fetched.body
    headers = fetched.headers if asked.has("head") or asked.has("include") else ""
    return headers + body if asked.told.get("output", "-") == "-" else ""


def _sealed(asked: Asked, fetched: Fetched) -> bool:
    """Does curl end an https connection because it does not know who signed the certificate?"""
    return fetched.url.scheme == "https" and not asked.has("insecure")


def _complaint(asked: Asked, fetched: Fetched) -> tuple[int, str]:
    """curl's exit status and sentence for an attempt that failed; (0, "") for one that did not."""
    url, outcome, ms = fetched.url, fetched.ending.outcome, round(fetched.seconds * 1000)
    if outcome == "connected":
        return (60, UNTRUSTED) if _sealed(asked, fetched) else (0, "")
    if outcome == "unresolved":
        return 6, f"Could not resolve host: {url.host}"
    if outcome == "timeout" and fetched.handshake is not None:
        much = f"{fetched.arrived} out of {fetched.expected}" if fetched.arrived else "0"
        return 28, f"Operation timed out after {ms} milliseconds with {much} bytes received"
    if outcome == "timeout" and asked.number("max-time") <= min(asked.number("connect-timeout"), socket.PATIENCE):
        return 28, f"Connection timed out after {ms} milliseconds"
    why = "Couldn't connect to server"
    if outcome == "timeout" and asked.number("connect-timeout") <= socket.PATIENCE:
        why = "Timeout was reached"
    return 28 if outcome == "timeout" else 7, f"Failed to connect to {url.host} port {url.port} after {ms} ms: {why}"


def _story(asked: Asked, fetched: Fetched) -> str:
    """What ``-v`` tells: the attempt, the request, the answer's headers."""
    url, ending = fetched.url, fetched.ending
    if fetched.address is None:
        return f"* Could not resolve host: {url.host}\n* Closing connection 0\n"
    lines = [f"*   Trying {place(fetched.address or '', url.port)}..."]
    if ending.outcome != "connected":
        lines += _why(asked, fetched)
        return "\n".join([*lines, "* Closing connection 0"]) + "\n"
    request = asked.words.request(url)
    agent = asked.told.get("user-agent", "curl/7.88.1")
    lines.append(f"* Connected to {url.host} ({fetched.address}) port {url.port} (#0)")
    lines += [f"> {request.method} {url.path} HTTP/1.1"]
    lines += [f"> Host: {_host(asked) or url.authority}", f"> User-Agent: {agent}"]
    lines += ["> Accept: */*", *(f"> {name}: {value}" for name, value in request.headers), "> "]
    lines += [f"< {line}".rstrip("\r") for line in fetched.headers.split("\n")[:-1]]
    return "\n".join([*lines, f"* Connection #0 to host {url.host} left intact"]) + "\n"


def _host(asked: Asked) -> str:
    return next((value for name, value in asked.headers if name.lower() == "host"), "")


def _why(asked: Asked, fetched: Fetched) -> list[str]:
    url, ending, (_, words) = fetched.url, fetched.ending, _complaint(asked, fetched)
    if words.startswith("Connection timed out"):
        return [f"* {words}"]
    if words.endswith("Timeout was reached"):
        patience = round(asked.number("connect-timeout") * 1000)
        return [f"* ipv4 connect timeout after {patience}ms, move on!", f"* {words}"]
    local = ending.error == "Network is unreachable" and not fetched.source.strip("0.")
    if local:
        return [f"* Immediate connect fail for {fetched.address}: {ending.error}", f"* {words}"]
    error = ending.error or "Connection timed out"
    return [f"* connect to {fetched.address} port {url.port} failed: {error}", f"* {words}"]


def _write_out(form: str, fetched: Fetched, code: int, words: str, method: str) -> tuple[str, str]:
    """``-w '%{http_code}'``: the form filled in, and a complaint for each name that curl does not know."""
    connected = fetched.ending.outcome == "connected"
    status = fetched.status[:3] if connected else "000"
    values: Mapping[str, str] = {
        **{"http_code": status, "response_code": status, "exitcode": str(code), "errormsg": words},
        **{"size_download": str(len(fetched.body)), "num_connects": str(int(connected))},
        **{"remote_ip": (fetched.address or "") if connected else "", "local_ip": fetched.source if connected else ""},
        **{
            "remote_port": str(fetched.url.port if connected else 0),
            "scheme": fetched.url.scheme.upper() if connected else "",
        },
        **{"url": f"http://{fetched.url.authority}{fetched.url.path}", "time_total": f"{fetched.seconds:.6f}"},
        **{"time_connect": f"{fetched.handshake or 0:.6f}", "method": method},
        "redirect_url": fetched.location,
    }
    unknown: list[str] = []

    def fill(found: re.Match[str]) -> str:
        if found[1] is not None and found[1] not in values:
            unknown.append(f"curl: unknown --write-out variable: '{found[1]}'\n")
        return values.get(found[1], "") if found[1] is not None else ESCAPES[found[0]]

    return re.sub(r"%\{([^}]*)\}|%%|\\[nrt]", fill, form), "".join(unknown)


ESCAPES = {"%%": "%", r"\n": "\n", r"\r": "\r", r"\t": "\t"}
