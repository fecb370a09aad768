"""A private Label Studio that is killed again and again, and is back within a second or two."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress

from tests.servers import label_studio_nursery
from tests.servers.guard import is_alive
from tests.servers.label_studio import LabelStudio, is_healthy
from tests.servers.label_studio_template import HOME


class Mortal(LabelStudio):
    """A server that nobody shares."""

    # -P: its folder has a label_studio of ours.
    program = (str(HOME / "bin" / "python"), "-P", str(label_studio_nursery.__file__))

    @property
    def pid(self) -> int | None:
        """Of the process that serves; None while there is none."""
        with suppress(FileNotFoundError):
            return int((self.folder / "data" / label_studio_nursery.PID).read_text())
        return None

    def kill(self) -> None:
        """Kill it in the middle of whatever it does; nothing if it is dead already."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _until(lambda: not is_alive(pid) and self.pid != pid)

    def start(self) -> None:
        """Start it again after `kill`, on the same port and the same data; nothing if it runs."""
        if self.pid is None:
            (self.folder / "data" / label_studio_nursery.WANTED).touch()
        _until(lambda: self.pid is not None and self._is_up())

    def _is_up(self) -> bool:
        with suppress(urllib.error.URLError, OSError):
            return is_healthy(self.running)
        return False


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("the server did not do as it was told")
        time.sleep(0.05)
