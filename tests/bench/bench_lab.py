"""How long from ``k8slearn lab`` to the first picture: ``python tests/bench/bench_lab.py`` (it reports, it does not gate).

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
        start = time.perf_counter()
        lab = subprocess.Popen([*CLI, str(Path(folder, "course")), *OPTIONS], stderr=subprocess.PIPE, text=True)
        try:
            assert lab.stderr is not None
            address = next(found.group() for line in lab.stderr if (found := re.search(r"http://localhost\S+", line)))
            print(f"server {time.perf_counter() - start:5.1f} s")
            page.goto(address)
            page.wait_for_selector(PICTURE)
            print(f"picture {time.perf_counter() - start:4.1f} s")
        finally:
            lab.terminate()
            lab.wait()
        chromium.close()


if __name__ == "__main__":
    main()
