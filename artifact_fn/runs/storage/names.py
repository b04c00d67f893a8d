"""Names: any text as the name of one file, injectively.

Scores, splits and artifacts may be called anything; what they are called on disk never leaves
its directory, is no device of any system, and differs wherever the names differ.
"""

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,98}[A-Za-z0-9_\-])?")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_OTHER = re.compile(r"[^A-Za-z0-9_\-]+")


def safe(name: str) -> str:
    """A file name for a name: itself where it is plain, else a likeness with its digest.

    Plain are ASCII letters, digits, `_`, `-` and inner dots, up to 100 of them. No plain name
    contains `~`, every other file name does, so no two names share one. Names that differ in
    case alone do so on disk too, and need a file system that tells them apart.

    Example:
        >>> safe("ROC_AUC")
        'ROC_AUC'
        >>> safe("../etc/passwd")
        '_etc_passwd~7fef78f53440346c04da'
    """
    if _PLAIN.fullmatch(name) and not _DEVICES.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    return f"{_OTHER.sub('_', name)[:60]}~{digest}"


def divided(name: str) -> tuple[str, str]:
    """The split and the rest of a score's or artifact's name; `all` where it names no split.

    Example:
        >>> divided("val/ROC_AUC"), divided("loss")
        (('val', 'ROC_AUC'), ('all', 'loss'))
    """
    split, slash, rest = name.partition("/")
    return (split, rest) if slash else ("all", name)
