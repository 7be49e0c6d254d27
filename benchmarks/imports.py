"""How long `import hscz` takes, and that it brings no torch."""

from __future__ import annotations

import subprocess
import sys
import time

PROGRAM = "import sys, hscz; print(int('torch' in sys.modules))"


def run(repeats: int = 5) -> dict[str, float]:
    """Return seconds of a fresh interpreter with and without the import."""
    torch_loaded = subprocess.check_output([sys.executable, "-c", PROGRAM], text=True)
    ours = min(_seconds(PROGRAM) for _ in range(repeats))
    bare = min(_seconds("pass") for _ in range(repeats))
    return {"import hscz, s": ours - bare, "import hscz loads torch (0 no)": float(torch_loaded)}


def _seconds(program: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(run())
