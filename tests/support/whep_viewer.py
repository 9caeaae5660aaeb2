"""A viewer of the emulator's media."""

from typing import Self

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from tests.support.emulator import Caller

LOUD = 500


class Viewer:
    """A browser, as far as this goes."""

    def __init__(self, caller: Caller, whep_path: str) -> None:
        self._client = caller.client
        self._whep_path = whep_path
        self._tracks: dict[str, MediaStreamTrack] = {}
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.on("track", lambda track: self._tracks.update({track.kind: track}))

    async def offer(self) -> str:
        for kind in ("video", "audio"):
            self.peer.addTransceiver(kind, direction="recvonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def watch(self, offer: str | None = None) -> httpx.Response:
        answer = await post(self._client, self._whep_path, offer or await self.offer())
        if answer.status_code == 201:
            await self.peer.setRemoteDescription(
                RTCSessionDescription(sdp=answer.text, type="answer")
            )
        return answer

    async def picture(self) -> np.ndarray:
        """The brightness of the next picture."""
        frame = await self._tracks["video"].recv()
        assert isinstance(frame, av.VideoFrame)
        return frame.to_ndarray(format="gray").astype(np.int16)

    async def loudness(self) -> float:
        """The loudness of the next 20 ms."""
        frame = await self._tracks["audio"].recv()
        assert isinstance(frame, av.AudioFrame)
        return float(np.sqrt(np.mean(frame.to_ndarray().astype(float) ** 2)))

    async def until_loud(self) -> None:
        while await self.loudness() < LOUD:
            pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.close()


async def post(client: httpx.AsyncClient, path: str, sdp: str) -> httpx.Response:
    return await client.post(path, content=sdp, headers={"content-type": "application/sdp"})
