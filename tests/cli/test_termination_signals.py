"""Long-running commands stop on SIGTERM and SIGINT."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from flask_chest.cli.termination_signals import wait_for_shutdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(number: signal.Signals) -> None:
    """Each signal ends the wait; afterwards the previous handlers are restored."""
    before = signal.getsignal(number)
    with wait_for_shutdown() as wait:
        os.kill(os.getpid(), number)
        wait()
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_to_another_thread() -> None:
    """A signal that the kernel gives to another thread ends the wait, too."""
    others = threading.Thread(
        target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    )
    with wait_for_shutdown() as wait:
        others.start()
        wait()
    others.join()


def test_other_signals_do_not_end_the_wait() -> None:
    """The app's own signal handlers run, and the wait continues."""
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())

    def send() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        # The main thread runs the handler, so this signal has woken it.
        assert heard.wait(30)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    others = threading.Thread(target=send)
    try:
        with wait_for_shutdown() as wait:
            others.start()
            wait()
            assert heard.is_set()
        others.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
