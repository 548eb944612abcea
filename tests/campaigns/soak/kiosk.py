"""The kiosk of the soak, in a process of its own: `python -m campaigns.soak.kiosk CONFIG CLIP WIDTH FRAMES`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from fer_edge.runtime.config import KioskConfig, load_config
from fer_edge.runtime.config.sections import Source
from fer_edge.runtime.kiosk.kiosk import Kiosk
from fer_edge.runtime.kiosk.logs import start_log
from fer_edge.runtime.kiosk.systemd import Notifier
from fer_edge.runtime.sources.capture import Capture
from fer_edge.runtime.sources.source import State

from .frames import Memory


def main(config_path: Path, clip: Path, width: int, count: int) -> int:
    """Run the daemon's own class to the end of the frames; the last line on stdout says how many there were."""

    def read() -> KioskConfig:
        return load_config(config_path, os.environ, [])

    def capture(
        config: KioskConfig, source: Source, told: Callable[[State], None], on_news: Callable[[], None]
    ) -> Capture:
        return Capture(lambda: Memory(clip, width, count), every=True, on_state=told, on_news=on_news)

    config = read()
    start_log(config.log.level)
    kiosk = Kiosk(config, read, Notifier(), capture)
    try:
        code = kiosk.daemon.run()
    finally:
        kiosk.close()
    tally = kiosk.daemon.cameras[0].pipeline.tally
    told = {"frames": tally.frames, "faces": tally.faces, "observations": sum(tally.labels.values())}
    stages = {f"{stage}_ms": 1000 * spent / max(tally.frames, 1) for stage, spent in tally.seconds.items()}
    print(json.dumps({**told, **stages}))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
