"""Teaches the judge of the built-in model's pictures, and says how good it is.

    python -m benchmarks.judge [--run FOLDER]

Its accuracy on scenes drawn afresh is printed after training, and again above every table of
`benchmarks.scores`.
"""

import argparse
from pathlib import Path

from benchmarks.scores import judge_accuracy
from kakusan.builtin.recipe.judge import FOLDER, Judge
from kakusan.runtime.arena import hold


def main() -> None:
    """Teach the judge, and say how good it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    hold()  # as `kakusan train` does
    print(judge_accuracy(Judge(arguments.run)))


if __name__ == "__main__":
    main()
