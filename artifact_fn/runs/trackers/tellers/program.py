"""Program: what runs in a teller's process; orders come in as lines of JSON, answers go out so.

It imports nothing of this package, so that it begins at once. Whatever a backend's client writes
to standard output goes nowhere. When nobody is there to give orders any more, it ends: what was not
acknowledged will be told again.
"""

import importlib.util
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

_exit = os._exit
"""As it is before ClearML's client replaces it by one that waits for uploads."""


def main(name: str) -> None:
    """Obey orders until there are no more.

    Args:
        name: Of the file whose `Teller` does it.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    teller: Any = None
    while True:
        order = orders.get()
        try:
            if teller is None:
                teller = _module(name).Teller(order)
            elif "close" in order:
                teller.close(order["close"])
            else:
                teller.send(order)
            answer = {}
        except Exception as cause:
            answer = {"failed": f"{type(cause).__name__}: {cause}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if "close" in order:
            _exit(0)  # clients have hooks that wait for what has arrived already


def _listen(orders: "queue.Queue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    _exit(0)


def _module(name: str) -> Any:
    # By its file: beside this one there are modules named like the packages they speak to.
    spec = importlib.util.spec_from_file_location(f"{Path(name).stem}_teller", name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1])
