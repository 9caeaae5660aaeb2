"""The looks of the emulator's three avatars; every other avatar id gets one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import blake2b
from typing import Final

from app.emulator.face.canvas import Colour

AXIS: Final = 256.0
"""The vertical axis of every face, in pixels from the left."""


class HairStyle(Enum):
    """The hair style of a look."""

    BOB = auto()
    CURLS = auto()
    SHORT = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """The colours and features of one avatar."""

    skin: Colour
    shadow: Colour
    blush: Colour
    hair: Colour
    hair_light: Colour
    hair_style: HairStyle
    iris: Colour
    lip: Colour
    shirt: Colour
    shirt_dark: Colour
    background: tuple[Colour, Colour]
    lashes: float
    """The thickness of the lashes in pixels."""
    brow_thickness: float = 5.0
    """The thickness of the brows in pixels."""
    brow_height: float = 29.0
    """The height of the brows above the middle of the eye, in pixels."""
    glasses: bool = False
    earrings: bool = False


ADA: Final = Look(
    skin=(244, 205, 178),
    shadow=(206, 146, 118),
    blush=(236, 138, 120),
    hair=(74, 44, 34),
    hair_light=(124, 80, 58),
    hair_style=HairStyle.BOB,
    iris=(92, 122, 96),
    lip=(203, 98, 96),
    shirt=(58, 98, 122),
    shirt_dark=(38, 70, 92),
    background=((226, 233, 236), (178, 198, 208)),
    lashes=3.6,
)

GRACE: Final = Look(
    skin=(150, 98, 70),
    shadow=(104, 60, 40),
    blush=(176, 84, 66),
    hair=(38, 28, 30),
    hair_light=(72, 54, 54),
    hair_style=HairStyle.CURLS,
    iris=(72, 44, 28),
    lip=(158, 66, 68),
    shirt=(222, 170, 84),
    shirt_dark=(184, 130, 52),
    background=((244, 230, 216), (222, 188, 164)),
    lashes=3.8,
    earrings=True,
)

ALAN: Final = Look(
    skin=(232, 188, 156),
    shadow=(188, 132, 102),
    blush=(222, 134, 112),
    hair=(92, 74, 62),
    hair_light=(136, 114, 96),
    hair_style=HairStyle.SHORT,
    iris=(84, 112, 140),
    lip=(186, 104, 94),
    shirt=(84, 104, 86),
    shirt_dark=(58, 76, 62),
    background=((228, 230, 222), (186, 194, 178)),
    lashes=2.4,
    brow_thickness=6.4,
    brow_height=34.0,
    glasses=True,
)

LOOKS: Final[Mapping[str, Look]] = {"ada": ADA, "grace": GRACE, "alan": ALAN}


def look_of(avatar_id: str) -> Look:
    """The look for an avatar id, always the same for the same id."""
    if avatar_id in LOOKS:
        return LOOKS[avatar_id]
    digest = blake2b(avatar_id.encode(), digest_size=4).digest()
    return list(LOOKS.values())[int.from_bytes(digest) % len(LOOKS)]
