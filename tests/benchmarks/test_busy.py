"""The table of `benchmarks.busy`, and the process that keeps a core busy."""

import subprocess
import sys

from benchmarks import busy


def test_ratios_are_to_this_trees_idle_run_with_all_threads() -> None:
    medians = {
        ("this", 1, False): 3.0,
        ("this", 1, True): 3.2,
        ("this", 2, False): 2.0,
        ("this", 2, True): 2.5,
    }
    one, two = busy.rows("picture", medians, most=2)
    assert one[1:] == ("this", 1, "3.00", "3.20", "1.50", "1.60")
    assert two[1:] == ("this", 2, "2.00", "2.50", "1.00", "1.25")


def test_company_is_gone_afterwards() -> None:
    with busy.company(True, session=False):
        pass
    with busy.company(False, session=False):
        pass


def test_the_busy_process_ends_without_its_parent() -> None:
    command = [sys.executable, "-c", busy.SPINNING, "1"]  # of another process
    assert subprocess.run(command, timeout=20).returncode == 0
