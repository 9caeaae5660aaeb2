"""Pictures to H264, at a fraction of the work of aiortc's own encoder.

That one takes x264's default preset, 6.5 ms for a picture of ours; `veryfast` takes 1.5 ms for the
same quality and size. aiortc sends packets that a track has compressed itself, but then tells
nobody when the other side asks for a whole picture, so one is sent every second in any case.
"""

from fractions import Fraction
from typing import Final

import av
from av.video.frame import PictureType

_QUALITY: Final = "22"
"""x264's constant rate factor: about 0.4 Mbit/s while speaking, and much less at rest."""

_MOST_BITS_PER_SECOND: Final = 1_500_000


class H264Compressor:
    """One stream of pictures, all of the same size, each compressed as it comes."""

    def __init__(self, width: int, height: int, frame_rate: int) -> None:
        context = av.CodecContext.create("libx264", "w")
        context.width = width
        context.height = height
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(frame_rate)
        context.time_base = Fraction(1, 90_000)
        context.gop_size = frame_rate
        context.profile = "Baseline"
        # One thread: with more, each picture is cut in slices and waits for the slowest.
        context.thread_count = 1
        context.options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "level": "31",
            "crf": _QUALITY,
            "maxrate": str(_MOST_BITS_PER_SECOND),
            "bufsize": str(_MOST_BITS_PER_SECOND // 2),
        }
        self._context = context

    def compress(self, picture: av.VideoFrame) -> "av.Packet[av.VideoStream]":
        """Return the one packet of a picture."""
        picture.pict_type = PictureType.NONE
        (packet,) = self._context.encode(picture)
        return packet
