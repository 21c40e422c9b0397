"""What the first request would wait for is there before it comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.server.fakes import Served

async def main():
    async with Served(Path(sys.argv[1])).service as service:
        await service.warm()
        before = set(sys.modules)
        await service.asked({"prompt": "a cat", "width": 64})
        new = set(sys.modules) - before
        print(sorted(name for name in new if name.partition(".")[0] in ("kakusan", "torch")))

asyncio.run(main())
"""


def test_a_first_request_imports_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[]"
