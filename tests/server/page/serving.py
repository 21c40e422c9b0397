"""The real API in a process of its own, with a worker that fills pictures, for the page's tests."""

import sys
from pathlib import Path

import uvicorn

from kakusan.server.asked import asked
from tests.server.fakes import served


def main() -> None:
    """Serve on a port, with a data folder, a token and a pause between steps."""
    port, data, token, pause = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    with served(data, token=token or None, port=port) as server:
        server.worker.pause = pause
        # What the first job would wait for
        asked({"prompt": "a cat"}, catalog=server.catalog, server=server.settings)
        uvicorn.run(server.app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
