"""Places for ranks: never more than there are, never a deadlock, given back by the dead."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from piotutor.errors import UsageError
from piotutor.launch.queue import Pool, places


class GiveUpError(Exception):
    """Raised by a pause that doesn't want to wait."""


def refuse(reason):
    raise GiveUpError(reason)


@pytest.fixture
def pool(tmp_path):
    return Pool(str(tmp_path / "queue"), 4)


def test_all_places(pool):
    with places([pool], 3, refuse), places([pool], 1, refuse):
        refused = pytest.raises(GiveUpError, match="1 ranks need your own places, 0 of 4 are free")
        with refused, places([pool], 1, refuse):
            pass
    with places([pool], 4, refuse):
        pass


def test_nothing_is_kept_by_who_gives_up(pool):
    with places([pool], 2, refuse):
        with pytest.raises(GiveUpError, match="2 of 4 are free"), places([pool], 3, refuse):
            pass
        with places([pool], 2, refuse):
            pass


def test_one_after_the_other(pool):
    """While one gathers places, the next waits for its turn: a big job isn't overtaken."""
    with places([pool], 2, refuse):
        gathering, leave = threading.Event(), threading.Event()

        def pause(_reason):
            gathering.set()
            if leave.wait(0.01):
                raise GiveUpError

        def big():
            with pytest.raises(GiveUpError), places([pool], 4, pause):
                pass

        thread = threading.Thread(target=big)
        thread.start()
        gathering.wait(10)
        refused = pytest.raises(GiveUpError, match="another run is waiting before this one")
        with refused, places([pool], 1, refuse):
            pass
        leave.set()
        thread.join(10)


def test_many_runs_end_and_never_exceed_the_places(pool, tmp_path):
    """Twelve runs of 1 to 4 ranks through two pools."""
    second = Pool(str(tmp_path / "host"), 5)
    (tmp_path / "host").mkdir()
    running, most, guard = [], [], threading.Lock()

    def one(ranks):
        with places([pool, second], ranks, lambda _reason: time.sleep(0.002)):
            with guard:
                running.append(ranks)
                most.append(sum(running))
            time.sleep(0.002)
            with guard:
                running.remove(ranks)

    threads = [threading.Thread(target=one, args=(1 + i % 4,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(most) == 12
    assert max(most) <= 4


def test_the_dead_give_back_their_places(pool):
    text = (
        "import sys, time\nfrom piotutor.launch.queue import Pool, places\n"
        "with places([Pool(sys.argv[1], 4)], 4, print):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", text, pool.directory]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(GiveUpError), places([pool], 1, refuse):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
    with places([pool], 4, refuse):
        pass


def test_what_can_never_start(pool, tmp_path):
    pool.check(4)
    with pytest.raises(UsageError, match="5 ranks can never run at once here"):
        pool.check(5)
    with pytest.raises(UsageError, match="PIOTUTOR_QUEUE_DIR"):
        Pool(str(tmp_path / "missing"), 4, shared=True).check(1)


def test_shared_files_are_for_everyone(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    pool = Pool(str(shared), 2, shared=True)
    with ExitStack() as held:
        pool.take(2, held, refuse)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in shared.iterdir()}
    assert modes == {0o666}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")
def test_two_users_share_a_pool(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    pool = Pool(str(shared), 2, shared=True)
    here = os.open(shared, os.O_RDONLY)

    def other():
        """Return whether another user gets a place (its way to the directory is a descriptor)."""
        pid = os.fork()
        if pid == 0:
            try:
                os.fchdir(here)
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                with places([Pool(".", 2, shared=True)], 1, refuse):
                    os._exit(0)
            except GiveUpError:
                os._exit(1)
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    with places([pool], 2, refuse):
        assert not other()
    assert other()
    with places([pool], 2, refuse):
        pass
    os.close(here)


def test_a_link_is_not_followed(tmp_path, pool):
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / "turn").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), places([pool], 1, refuse):
        pass
    assert not (tmp_path / "elsewhere").exists()
