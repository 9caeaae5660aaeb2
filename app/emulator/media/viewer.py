"""A viewer over WebRTC: one peer connection that sends one stage's sound and picture."""

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError

from app.emulator.media.tracks import FaceTrack, VoiceTrack

_LOOPBACK: Final = "127.0.0.1"

_BAD_OFFER: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
"""What aiortc raises for text that is no offer, or for one it cannot answer."""


class PeerViewer:
    """A viewer who has `patience` seconds to connect; `left` is called when it is gone."""

    def __init__(self, *, patience: float, left: Callable[[], None]) -> None:
        self.viewer_id = secrets.token_urlsafe(9)
        self._patience = patience
        self._left = left
        # Without servers: aiortc would otherwise ask a public STUN server.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peer.on("connectionstatechange", self._follow)
        # A connection that is closed while it gathers addresses would leave sockets open.
        self._negotiation = asyncio.Lock()
        self._impatience: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def answer(
        self, offer: str, voice: VoiceTrack, face: FaceTrack, *, on_loopback: bool
    ) -> str:
        """Return the answer to an offer; raises ValueError when it is none that we can meet."""
        async with self._negotiation:
            try:
                await self._negotiate(offer, voice, face, on_loopback=on_loopback)
            except _BAD_OFFER as error:
                raise ValueError("no offer that can be answered") from error
            self._impatience = asyncio.get_running_loop().call_later(self._patience, self._give_up)
            answer = str(self._peer.localDescription.sdp)
            face.codec = _video_codec(answer)
            return answer

    async def close(self) -> None:
        """Close the connection; harmless when repeated."""
        async with self._negotiation:
            if self._impatience is not None:
                self._impatience.cancel()
            await self._peer.close()
            self._left()

    async def _negotiate(
        self, offer: str, voice: VoiceTrack, face: FaceTrack, *, on_loopback: bool
    ) -> None:
        for track in (voice, face):
            transceiver = self._peer.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(_codecs(track.kind))
        description = RTCSessionDescription(sdp=_without_names(offer), type="offer")
        await self._peer.setRemoteDescription(description)
        transceivers = self._peer.getTransceivers()
        if any(transceiver.mid is None for transceiver in transceivers):
            raise ValueError("an offer for sound and picture is wanted")
        if on_loopback:
            for transceiver in transceivers:
                _listen_on_loopback(transceiver.sender.transport.transport.iceGatherer)
        await self._peer.setLocalDescription(await self._peer.createAnswer())

    async def _follow(self) -> None:
        if self._peer.connectionState == "connected" and self._impatience is not None:
            self._impatience.cancel()
        elif self._peer.connectionState in {"failed", "closed"}:
            await self.close()

    def _give_up(self) -> None:
        self._closing = asyncio.ensure_future(self.close())


def _codecs(kind: str) -> list[Any]:
    """Return what aiortc can send, in the order of Kaltura's taste: H264 before all else."""
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    return sorted(codecs, key=lambda codec: codec.name not in {"H264", "opus"})


def _listen_on_loopback(gatherer: Any) -> None:
    """Offer 127.0.0.1 besides the machine's addresses, which may be none on a laptop offline.

    aioice leaves loopback out on purpose and has no setting for it.
    """
    connection = gatherer._connection  # noqa: SLF001 - there is no public way to it
    gather = connection.get_component_candidates

    async def gather_with_loopback(component: int, addresses: list[str]) -> Any:
        return await gather(component, [*addresses, _LOOPBACK])

    connection.get_component_candidates = gather_with_loopback


def _without_names(offer: str) -> str:
    """Return the offer without candidates that are names, and without the end of candidates.

    A browser hides its addresses behind `.local` names. To look those up means multicast; to wait
    for the browser's own checks gives its address as well.
    """
    kept = [
        line
        for line in offer.splitlines()
        if not (line.startswith("a=candidate:") and ".local " in line)
        and not line.startswith("a=end-of-candidates")
    ]
    return "\r\n".join(kept) + "\r\n"


def _video_codec(answer: str) -> str:
    """Return the name of the codec that an answer puts first for the picture."""
    payload_type = re.search(r"^m=video \d+ \S+ (\d+)", answer, re.MULTILINE)
    if payload_type is None:
        return ""
    name = re.search(rf"^a=rtpmap:{payload_type[1]} ([^/]+)/", answer, re.MULTILINE)
    return name[1] if name else ""
