"""Whether the process that holds a lease lives is seen from the same machine, and only there."""

import subprocess
import sys
import time

from kakusan.server.queue.owners import is_gone, own_name
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun

TELLS = "from kakusan.server.queue.owners import own_name; print(own_name(), flush=True); input()"


def test_a_process_is_gone_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert name != own_name()
        assert not is_gone(name)
        process.kill()
        process.stdout.read()  # it ends now, though nobody has waited for it
        patience = time.monotonic() + 10
        while not is_gone(name) and time.monotonic() < patience:
            time.sleep(0.01)
        assert is_gone(name)
    assert is_gone(name)


def test_of_others_nobody_can_tell() -> None:
    machine, boot, space, number, began = own_name().split("/")
    assert not is_gone(own_name())
    assert is_gone("/".join((machine, boot, space, number, str(int(began) + 1))))
    assert is_gone("/".join((machine, boot, space, "99999999", began)))
    for other in (
        "",
        "worker",
        "a/b/c/d/e",
        "/".join((machine, "another boot", space, "99999999", began)),
        "/".join((machine, boot, "another container", "99999999", began)),
        "/".join((machine, boot, space, "x", began)),
        "/".join((machine, boot, space, number, began, "more")),
    ):
        assert not is_gone(other)


def test_what_a_dead_process_held_waits_again_at_once(store: Store) -> None:
    for prompt in "abc":
        store.submit(asked(prompt))
    dead = subprocess.run(
        [sys.executable, "-c", TELLS], input="\n", capture_output=True, text=True, check=True
    ).stdout.strip()
    (lost,) = begun(store, dead, lease_s=3600)
    begun(store, own_name(), lease_s=3600)
    begun(store, "elsewhere", lease_s=3600)
    assert store.sweep() == [lost.id]
