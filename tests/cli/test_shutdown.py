"""How a command that runs until it is told to end hears of that."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from flask_chest.cli.shutdown import wait_for_shutdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(number: signal.Signals) -> None:
    """It does, and afterwards the signals mean what they meant before."""
    before = signal.getsignal(number)
    with wait_for_shutdown() as wait:
        os.kill(os.getpid(), number)
        wait()
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_that_another_thread_gets() -> None:
    """The kernel may give it to any thread; the one that waits is woken all the same."""
    others = threading.Thread(
        target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    )
    with wait_for_shutdown() as wait:
        others.start()
        wait()
    others.join()


def test_other_signals_do_not_end_it() -> None:
    """What the app listens to is the app's."""
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())

    def send() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        # The main thread runs the handler, so by then it has been woken by this one.
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
