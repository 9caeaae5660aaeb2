"""A viewer over WebRTC: a peer connection that sends one session's audio and video."""

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
"""The errors that aiortc raises for text that is not an offer, or for one it can't answer."""


class PeerViewer:
    """A viewer's peer connection, closed unless it is established within `connect_seconds`.

    `on_close` is called when the connection is closed.
    """

    def __init__(self, *, connect_seconds: float, on_close: Callable[[], None]) -> None:
        self.viewer_id = secrets.token_urlsafe(9)
        self._connect_seconds = connect_seconds
        self._on_close = on_close
        # An empty list: by default aiortc contacts a public STUN server.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peer.on("connectionstatechange", self._follow)
        # Locked, because closing a connection while it gathers addresses leaves sockets open.
        self._negotiation = asyncio.Lock()
        self._connect_timeout: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def answer(
        self, offer: str, voice: VoiceTrack, face: FaceTrack, *, on_loopback: bool
    ) -> str:
        """Return the SDP answer to an offer; raises `ValueError` for one that can't be answered."""
        async with self._negotiation:
            try:
                await self._negotiate(offer, voice, face, on_loopback=on_loopback)
            except _BAD_OFFER as error:
                raise ValueError("no offer that can be answered") from error
            self._connect_timeout = asyncio.get_running_loop().call_later(
                self._connect_seconds, self._time_out
            )
            answer = str(self._peer.localDescription.sdp)
            face.codec = _video_codec(answer)
            return answer

    async def close(self) -> None:
        """Close the connection; harmless when repeated."""
        async with self._negotiation:
            if self._connect_timeout is not None:
                self._connect_timeout.cancel()
            await self._peer.close()
            self._on_close()

    async def _negotiate(
        self, offer: str, voice: VoiceTrack, face: FaceTrack, *, on_loopback: bool
    ) -> None:
        for track in (voice, face):
            transceiver = self._peer.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(_codecs(track.kind))
        description = RTCSessionDescription(sdp=_without_mdns(offer), type="offer")
        await self._peer.setRemoteDescription(description)
        transceivers = self._peer.getTransceivers()
        if any(transceiver.mid is None for transceiver in transceivers):
            raise ValueError("an offer for sound and picture is wanted")
        if on_loopback:
            for transceiver in transceivers:
                _listen_on_loopback(transceiver.sender.transport.transport.iceGatherer)
        await self._peer.setLocalDescription(await self._peer.createAnswer())

    async def _follow(self) -> None:
        if self._peer.connectionState == "connected" and self._connect_timeout is not None:
            self._connect_timeout.cancel()
        elif self._peer.connectionState in {"failed", "closed"}:
            await self.close()

    def _time_out(self) -> None:
        self._closing = asyncio.ensure_future(self.close())


def _codecs(kind: str) -> list[Any]:
    """The codecs that aiortc can send, in Kaltura's order: H264 and Opus first."""
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    return sorted(codecs, key=lambda codec: codec.name not in {"H264", "opus"})


def _listen_on_loopback(gatherer: Any) -> None:
    """Offer 127.0.0.1 besides the machine's addresses, as an offline machine may have no other.

    aioice excludes loopback addresses, and has no setting for it.
    """
    connection = gatherer._connection  # noqa: SLF001 - there is no public way to it
    gather = connection.get_component_candidates

    async def gather_with_loopback(component: int, addresses: list[str]) -> Any:
        return await gather(component, [*addresses, _LOOPBACK])

    connection.get_component_candidates = gather_with_loopback


def _without_mdns(offer: str) -> str:
    """Remove mDNS candidates, and the end-of-candidates mark, from an SDP offer.

    A browser may replace its addresses by `.local` names, which take multicast to resolve. Without
    them the browser's connectivity checks show its address; the mark would rule that out.
    """
    kept = [
        line
        for line in offer.splitlines()
        if not (line.startswith("a=candidate:") and ".local " in line)
        and not line.startswith("a=end-of-candidates")
    ]
    return "\r\n".join(kept) + "\r\n"


def _video_codec(answer: str) -> str:
    """The name of the video codec that an SDP answer lists first; empty if there is none."""
    payload_type = re.search(r"^m=video \d+ \S+ (\d+)", answer, re.MULTILINE)
    if payload_type is None:
        return ""
    name = re.search(rf"^a=rtpmap:{payload_type[1]} ([^/]+)/", answer, re.MULTILINE)
    return name[1] if name else ""
