"""cmdline.txt, the one line that a Raspberry Pi's firmware hands to the kernel."""

from __future__ import annotations

from ....errors import InputError
from ..image.contents import Contents

PATH = "/cmdline.txt"
RUN = (
    "systemd.run=/boot/firmware/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
"""systemd-run-generator(8): run a script instead of the usual boot; afterwards, boot anew."""


def cmdline(contents: Contents, country: str, more: tuple[str, ...] = ()) -> bytes:
    """The line with the radio's country and more words; one of the same name is replaced.

    Raises:
        InputError: the image has no such file, or another first boot is waiting in it.
    """
    if PATH not in contents.boot:
        raise InputError("the boot partition has no cmdline.txt", cause="it is no image for a Raspberry Pi")
    words = contents.boot[PATH].split()
    waiting = [w for w in words if w.startswith("systemd.run=")]
    if waiting and not set(waiting) <= set(RUN):
        raise InputError(
            f"another first boot waits in the image's cmdline.txt: {waiting[0]}",
            cause="the image was set up by another program already",
            hint="start from the image as it was downloaded",
        )
    added = [*([f"cfg80211.ieee80211_regdom={country}"] if country else []), *more]
    names = {word.partition("=")[0] for word in added}
    kept = [word for word in words if word.partition("=")[0] not in names]
    return (" ".join([*kept, *added]) + "\n").encode()
