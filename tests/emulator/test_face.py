"""The face: the mouth follows the voice and nothing else does; the eyes blink; people differ."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from app.emulator.face.animation import FaceAnimator, StillFace
from app.emulator.face.layers import EYE_DISTANCE, EYE_LEVEL
from app.emulator.face.lips import MOUTH_BOX
from app.emulator.face.looks import AXIS, LOOKS, look_of
from app.emulator.face.portrait import Portrait, picture_of, portrait_of
from app.emulator.speech.visemes import REST, MouthShape

FRAME_SECONDS = 0.04
AH = MouthShape(opening=0.95, spread=0.2, teeth=0.5)
OO = MouthShape(opening=0.3, spread=-1.0)


@pytest.fixture
async def ada() -> Portrait:
    return await portrait_of("ada")


def light(
    actor: FaceAnimator, frame: int, shape: MouthShape, *, speaking: bool
) -> NDArray[np.int16]:
    """The brightness of a picture, 512 by 512."""
    picture = actor.render(frame * FRAME_SECONDS, shape, speaking=speaking)
    return picture.to_ndarray(format="gray").astype(np.int16)


def mouth_of(picture: NDArray[np.int16]) -> NDArray[np.int16]:
    left, top, right, bottom = MOUTH_BOX
    return picture[top:bottom, left:right]


def eyes_of(picture: NDArray[np.int16]) -> NDArray[np.int16]:
    x, y, d = int(AXIS), int(EYE_LEVEL), int(EYE_DISTANCE)
    return picture[y - 10 : y + 10, x - d - 20 : x + d + 20]


def change(first: NDArray[np.int16], second: NDArray[np.int16]) -> float:
    return float(np.abs(first - second).mean())


async def test_a_picture_is_512_square(ada: Portrait) -> None:
    picture = FaceAnimator(ada).render(0, REST, speaking=False)

    assert (picture.width, picture.height, picture.format.name) == (512, 512, "yuv420p")


async def test_a_still_face_never_moves_and_has_few_pictures_a_second() -> None:
    face = StillFace(await picture_of("ada"))
    pictures = [face.render(second, AH, speaking=True) for second in range(5)]

    assert all(picture is pictures[0] for picture in pictures)
    assert face.frame_rate * 5 <= FaceAnimator.frame_rate


async def test_at_rest_the_mouth_is_still_while_the_rest_lives(ada: Portrait) -> None:
    actor = FaceAnimator(ada)
    pictures = [light(actor, frame, REST, speaking=False) for frame in range(0, 250, 5)]
    mouths = [change(mouth_of(picture), mouth_of(pictures[0])) for picture in pictures]

    assert max(mouths) < 2.0
    assert any(change(picture, pictures[0]) > 0 for picture in pictures)


async def test_a_mouth_that_speaks_changes_far_more_than_one_at_rest(ada: Portrait) -> None:
    shut, ah, oo = (
        mouth_of(light(FaceAnimator(ada), 0, shape, speaking=shape is not REST))
        for shape in (REST, AH, OO)
    )

    assert change(shut, ah) > 12
    assert change(ah, oo) > 8


async def test_the_eyes_blink(ada: Portrait) -> None:
    actor = FaceAnimator(ada)
    darkness = [
        float((eyes_of(light(actor, frame, REST, speaking=False)) > 225).mean())
        for frame in range(200)
    ]

    shut = [share < 0.4 * max(darkness) for share in darkness]
    blinks = sum(later and not earlier for earlier, later in pairwise(shut))
    assert 2 <= blinks <= 6
    assert sum(shut) < 0.1 * len(shut)


async def test_it_is_the_same_frame_again_when_nothing_moved(ada: Portrait) -> None:
    actor = FaceAnimator(ada)

    assert actor.render(0.0, REST, speaking=False) is actor.render(0.01, REST, speaking=False)
    assert actor.render(0.02, AH, speaking=True) is not actor.render(0.06, REST, speaking=True)


async def test_the_head_calms_down_after_an_utterance(ada: Portrait) -> None:
    actor = FaceAnimator(ada)
    for frame in range(50):
        actor.render(frame * FRAME_SECONDS, AH, speaking=True)
    lively = actor._liveliness
    for frame in range(50, 120):
        actor.render(frame * FRAME_SECONDS, REST, speaking=False)

    assert lively > 0.9
    assert actor._liveliness < 0.01


async def test_each_look_is_another_person() -> None:
    pictures = [
        np.asarray((await picture_of(avatar_id)).convert("L"), np.int16) for avatar_id in LOOKS
    ]

    assert len(pictures) == 3
    assert all(
        change(one, other) > 10 for index, one in enumerate(pictures) for other in pictures[:index]
    )


def test_any_id_is_always_the_same_person() -> None:
    looks = {look_of(f"avatar-{number}") for number in range(40)}

    assert looks == set(LOOKS.values())
    assert look_of("5f2c9d") is look_of("5f2c9d")
    assert look_of("ada") is LOOKS["ada"]
