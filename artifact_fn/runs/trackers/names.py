"""Names: any text as a name that a backend takes, injectively."""

import hashlib
import re

import attrs

_MADE = re.compile(r".*\.x[0-9a-f]{20}", re.DOTALL)
_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\- ]*[A-Za-z0-9_\-])?")
_OTHER = re.compile(r"[^A-Za-z0-9_\-]+")


def mapped(name: str, *, longest: int = 200) -> str:
    """A name of ASCII letters, digits, `_`, `-`, inner dots and spaces, and `/` between parts.

    A name that is so already is itself; another one becomes its likeness with its digest. No
    two names become one, since those that look like made ones are made over, too.

    Args:
        name: Of a score or an artifact.
        longest: In characters.

    Example:
        >>> mapped("val/ROC_AUC")
        'val/ROC_AUC'
        >>> mapped("val/Oldpeak (mm)")
        'val/Oldpeak_mm_.xa7b7828172a867d73c37'
    """
    parts = name.split("/")
    plain = all(_SEGMENT.fullmatch(part) for part in parts)
    if plain and len(name) <= longest and not _MADE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    likeness = "/".join(_OTHER.sub("_", part) or "_" for part in parts)
    return f"{likeness[: longest - 22]}.x{digest}"


@attrs.frozen(eq=False)
class Names:
    """Names that were made over, so that the originals can be told, too.

    Attributes:
        made: The original by the name that it became.

    Example:
        >>> names = Names()
        >>> names.key("val/loss"), names.key("val/x (mm)")
        ('val/loss', 'val/x_mm_.x19a6dc0d1c8e3e5e00f3')
        >>> list(names.made.values())
        ['val/x (mm)']
    """

    made: dict[str, str] = attrs.field(factory=dict)

    def key(self, name: str, *, taken: bool = False) -> str:
        """A name as `mapped` answers it.

        Args:
            name: Of a score, an artifact or a param.
            taken: Whether it means something else to the backend already.
        """
        key = mapped(f"{name} " if taken else name)
        if key != name:
            self.made[key] = name
        return key
