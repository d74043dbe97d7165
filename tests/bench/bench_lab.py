"""How long from ``k8slearn lab`` to the first picture. It reports, and gates nothing.

    python tests/bench/bench_lab.py

The environment is warm (packages in the page cache): run it twice and take the second.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

CLI = [sys.executable, "-m", "k8slearn.cli", "lab"]
OPTIONS = ["--no-browser", "--allow-root"]
PICTURE = ".jp-OutputArea img, .jp-OutputArea svg"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        log = Path(folder, "log")
        start = time.perf_counter()
        with log.open("w") as said:
            lab = subprocess.Popen([*CLI, str(Path(folder, "course")), *OPTIONS], stdout=said, stderr=said)
        try:
            address = _address(log)
            print(f"server  {time.perf_counter() - start:5.1f} s")
            page.goto(address)
            page.wait_for_selector(PICTURE)
            print(f"picture {time.perf_counter() - start:5.1f} s")
        finally:
            chromium.close()
            lab.kill()
            lab.wait()


def _address(log: Path) -> str:
    """Where the server says that it listens, once it does."""
    for _ in range(600):
        if found := re.search(r"http://localhost\S+", log.read_text()):
            return found.group()
        time.sleep(0.05)
    raise SystemExit(f"no server after 30 s:\n{log.read_text()}")


if __name__ == "__main__":
    main()
