"""A worker in a process of its own, to be killed: `python program.py FOLDER`."""

import sys
import time
from pathlib import Path

import torch

from kakusan.server.queue.files import Files
from kakusan.server.queue.store import Store
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.watching import Board
from kakusan.server.worker.worker import Worker


class Here:
    device, dtype = "cpu", None


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    files = Files(folder)
    store = Store.open(f"sqlite:///{folder / 'jobs.db'}", files)
    pace = Pace(poll_s=0.05, save_s=0.0)
    worker = Worker(store, files, Catalog.of(), Board(), Here(), pace)
    worker.start()
    print("started", flush=True)
    while worker.is_alive():
        if worker.in_hand.resumed:
            print(f"resumed {worker.in_hand.resumed}", flush=True)
            worker.in_hand.resumed = 0
        time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
