"""One set of servers to fork from for all workers of a run: what they import takes half a minute of a processor's time.

The process that starts the workers has them listen, and starts each when somebody first connects to it.
"""

from __future__ import annotations

import os
import selectors
import threading

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE
from tests.support.warm_server import COMMANDS
from tests.support.warm_start import LIGHT_ENGINE, WARM_PLACE, WarmServer, can_start_warm


def threads_of_each(workers: int) -> str:
    """How many threads each of so many workers may compute with, as OMP_NUM_THREADS says it."""
    return str(max(1, (os.cpu_count() or 1) // workers))


def share_warm_servers(workers: int) -> None:
    """Have the workers that are started from here on find the servers, where processes can be forked."""
    if not can_start_warm():
        return
    waiting = selectors.DefaultSelector()
    for engine in (LIGHT_ENGINE, PRELOADED_ENGINE, COMMANDS):
        server = WarmServer(engine)
        os.environ[f"{WARM_PLACE}{engine}"] = server.place
        waiting.register(server.listening, selectors.EVENT_READ, data=server)
    # As if a worker had started them.
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads_of_each(workers))}

    def start_wanted() -> None:
        while waiting.get_map():
            for key, _ in waiting.select():
                waiting.unregister(key.fileobj)
                key.data.start(**variables)

    threading.Thread(target=start_wanted, daemon=True, name="warm servers").start()
