"""`python -m kakusan.training`: the built-in model from nothing, in one command."""

import argparse
from pathlib import Path

from kakusan.training.build import build
from kakusan.training.recipe import Recipe


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        prog="python -m kakusan.training",
        description="Train the built-in model from nothing. Progress goes to stderr. "
        "Stopped and started again, it goes on from its last checkpoint.",
    )
    parser.add_argument(
        "--run", type=Path, default=Path("runs/builtin"), help="checkpoints and sample grids"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/builtin/model"), help="the model's folder"
    )
    arguments = parser.parse_args()
    build(Recipe(), arguments.run, arguments.output)


if __name__ == "__main__":
    main()
