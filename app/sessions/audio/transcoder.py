"""A program of its own that reads a stranger's recording and makes it fit to be said.

`python -I transcoder.py DEMUXER MAX_SECONDS < recording` writes one line of JSON, a `Finding`, and
after it the recording as MP3, unless it is fit as it is. It imports nothing of the broker, and
before it reads a byte it gives up whatever it does not need: files, sockets, memory, time.
"""

import array
import io
import json
import os
import resource
import sys
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

import av

RATE: Final = 44_100
BIT_RATE: Final = 128_000
QUICK: Final = {"compression_level": "7"}
"""LAME takes nearly all of the time; at this bit rate a voice sounds the same."""

AUDIBLE: Final = 66
"""Of 32768. What is less than -54 dB at its loudest is a microphone that was off."""

CPU_SECONDS: Final = 60
MEMORY_BYTES: Final = 128 << 20
"""On top of what Python and the libraries take."""

CODECS: Final = (
    "aac,adpcm_ima_qt,adpcm_ima_wav,alac,amrnb,amrwb,flac,libopus,mp3,mp3float,opus,pcm_alaw,"
    "pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,"
    "pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,vorbis,wmav1,wmav2"
)
"""What browsers, telephones and recorders make; FFmpeg knows hundreds more, which strangers may
not try.
"""

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"


@dataclass
class Finding:
    """What came of it: `refused` says why it can't be said, in words for whoever sent it.

    `silent` is what has no sound that anybody could hear.
    """

    seconds: float = 0.0
    silent: bool = False
    refused: str | None = None


class RefusedError(Exception):
    """The recording can't be said; the message says why."""


def main() -> None:
    """Read a recording, and write what came of it."""
    demuxer, max_seconds = sys.argv[1], float(sys.argv[2])
    _rehearse()
    _confine()
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read(), demuxer, max_seconds))


def answer(recording: bytes, demuxer: str, max_seconds: float) -> bytes:
    """What this program writes of a recording, whatever it is."""
    sound = b""
    try:
        finding, sound = transcode(recording, demuxer, max_seconds)
    except RefusedError as refused:
        finding = Finding(refused=str(refused))
    except (av.FFmpegError, ValueError, EOFError, IndexError, MemoryError):
        finding = Finding(refused="it can't be read")
    return json.dumps(asdict(finding)).encode() + b"\n" + sound


def transcode(recording: bytes, demuxer: str, max_seconds: float) -> tuple[Finding, bytes]:
    """What it is, and the recording as MP3, mono, 44.1 kHz; no bytes for an MP3 that is whole.

    That one is said as it came: MP3 of any kind will do, and to encode it once more would take
    from its sound. One with other things inside is made anew from what can be heard of it.
    """
    reading = Reading(recording, demuxer)
    finding = _measured(reading, max_seconds)
    return finding, b"" if reading.is_whole_mp3 else _encoded(Reading(recording, demuxer))


class Reading:
    """One reading of a recording, as pieces of sound: 16 bit, mono, at `RATE`."""

    def __init__(self, recording: bytes, demuxer: str) -> None:
        self._recording = recording
        self._demuxer = demuxer
        self._read = 0
        self._lost = 0
        self._codec = ""

    @property
    def is_whole_mp3(self) -> bool:
        """Whether it was MP3, all of it: what stands between frames comes as one that is lost."""
        return self._demuxer == "mp3" and self._codec.startswith("mp3") and not self._lost

    def __iter__(self) -> Iterator[av.AudioFrame]:
        """Yield the sound, as far as it can be read; pauses between pieces are left out."""
        resampler, kind = None, None
        for frame in self._frames():
            frame.pts = None
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or kind != now:  # the next of several recordings in one file
                yield from _rest(resampler)
                resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE)
                kind = now
            yield from (part for part in resampler.resample(frame) if part.samples)
        yield from _rest(resampler)

    def _frames(self) -> Iterator[av.AudioFrame]:
        options = {"codec_whitelist": CODECS, "protocol_whitelist": ""}
        file = io.BytesIO(self._recording)
        with av.open(file, "r", self._demuxer, options, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise RefusedError("there is no sound in it")
            stream = container.streams.audio[0]
            self._codec = stream.codec_context.name
            if self._codec not in CODECS.split(","):
                raise RefusedError("its sound is of a kind that is not read here")
            for packet in self._packets(container.demux(stream)):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self._lost += 1
                    continue
                self._read += len(frames)
                yield from frames
        if self._lost > self._read:
            raise RefusedError("it can't be read")

    def _packets(self, packets: Iterator[AudioPacket]) -> Iterator[AudioPacket]:
        """Yield the packets up to where the file breaks off."""
        try:
            yield from packets
        except (av.error.InvalidDataError, av.error.EOFError):
            self._lost += 1


def _measured(sound: Reading, max_seconds: float) -> Finding:
    """How long a sound is that is not too long, and whether it is silent."""
    samples, is_heard = 0, False
    for chunk in sound:
        samples += chunk.samples
        if samples > max_seconds * RATE:
            raise RefusedError(f"it is longer than {max_seconds:g} seconds")
        is_heard = is_heard or _is_audible(chunk)
    if not samples:
        raise RefusedError("there is no sound in it")
    return Finding(samples / RATE, silent=not is_heard)


def _encoded(sound: Reading) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", "mp3", {"id3v2_version": "0"}) as out:
        encoder = out.add_stream("libmp3lame", rate=RATE, options=QUICK, layout="mono")
        encoder.bit_rate = BIT_RATE
        for chunk in sound:
            out.mux(encoder.encode(chunk))
        out.mux(encoder.encode(None))
    return file.getvalue()


def _rest(resampler: av.AudioResampler | None) -> Iterator[av.AudioFrame]:
    yield from (part for part in resampler.resample(None) if part.samples) if resampler else ()


def _is_audible(chunk: av.AudioFrame) -> bool:
    samples = array.array("h", bytes(chunk.planes[0])[: 2 * chunk.samples])
    return max(samples) > AUDIBLE or min(samples) < -AUDIBLE


def _rehearse() -> None:
    """Load what the libraries load on first use: later no file can be opened."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\x40\0\xc0" * 400)
    transcode(file.getvalue(), "wav", 1)


def _confine() -> None:
    """No new file or socket, no endless work, no core dump; and the broker goes first."""
    os.nice(5)
    limits = {
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + MEMORY_BYTES
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()
