"""A standalone program that reads a recording from a stranger and converts it to MP3.

`python -I transcoder.py DEMUXER MAX_SECONDS < recording` writes one line of JSON, a
`TranscodeResult`, followed by the recording as MP3 unless the input can be used as it is. The
program imports nothing of the broker. Before it reads a byte it gives up what it does not need:
files, sockets, memory, processor time.
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
"""Sample rate in hertz."""
BIT_RATE: Final = 128_000
"""Bit rate of the MP3, in bits per second."""
ENCODER_OPTIONS: Final = {"compression_level": "7"}
"""LAME's fastest level but two: encoding takes most of the time, and at this bit rate a voice
sounds no worse.
"""

AUDIBLE: Final = 66
"""Sample value, of 32768, that audio must exceed to be heard: below -54 dB the microphone was off.
"""

CPU_SECONDS: Final = 60
"""Processor time that the program may use."""
MEMORY_BYTES: Final = 128 << 20
"""Memory that the program may allocate beyond what Python and the libraries take."""

CODECS: Final = (
    "aac,adpcm_ima_qt,adpcm_ima_wav,alac,amrnb,amrwb,flac,libopus,mp3,mp3float,opus,pcm_alaw,"
    "pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,"
    "pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,vorbis,wmav1,wmav2"
)
"""FFmpeg's decoders that may be used: those for formats that browsers, telephones and recorders
write. FFmpeg has hundreds more, which a stranger's file must not reach.
"""

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"


@dataclass
class TranscodeResult:
    """Result of transcoding: the length in seconds, or in `refused` a reason for the sender.

    `silent` tells that no part of the recording can be heard.
    """

    seconds: float = 0.0
    silent: bool = False
    refused: str | None = None


class RefusedError(Exception):
    """Raised when a recording can't be used; the message says why."""


def main() -> None:
    """Read a recording from standard input, and write its result to standard output."""
    demuxer, max_seconds = sys.argv[1], float(sys.argv[2])
    _preload_libraries()
    _limit_resources()
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read(), demuxer, max_seconds))


def answer(recording: bytes, demuxer: str, max_seconds: float) -> bytes:
    """The bytes that the program writes for a recording, whether or not it can be decoded."""
    sound = b""
    try:
        result, sound = transcode(recording, demuxer, max_seconds)
    except RefusedError as refused:
        result = TranscodeResult(refused=str(refused))
    except (av.FFmpegError, ValueError, EOFError, IndexError, MemoryError):
        result = TranscodeResult(refused="it can't be read")
    return json.dumps(asdict(result)).encode() + b"\n" + sound


def transcode(recording: bytes, demuxer: str, max_seconds: float) -> tuple[TranscodeResult, bytes]:
    """Measure a recording, and convert it to MP3, mono, 44.1 kHz; no bytes for an intact MP3.

    An intact MP3 is used as it is: Kaltura takes every kind, and encoding it again would lose
    quality. A damaged MP3, or one with other data inside, is encoded again from the audio that can
    be decoded.
    """
    reader = AudioReader(recording, demuxer)
    result = _measured(reader, max_seconds)
    return result, b"" if reader.is_whole_mp3 else _encoded(AudioReader(recording, demuxer))


class AudioReader:
    """Iterates over the decoded audio of a recording in frames: 16 bit, mono, at `RATE`."""

    def __init__(self, recording: bytes, demuxer: str) -> None:
        self._recording = recording
        self._demuxer = demuxer
        self._decoded_count = 0
        self._lost_count = 0
        self._codec = ""

    @property
    def is_whole_mp3(self) -> bool:
        """Whether all of the recording was MP3; other data counts as packets that were lost."""
        return self._demuxer == "mp3" and self._codec.startswith("mp3") and not self._lost_count

    def __iter__(self) -> Iterator[av.AudioFrame]:
        """Yield the audio that can be decoded, with gaps between frames closed."""
        resampler, kind = None, None
        for frame in self._frames():
            frame.pts = None
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or kind != now:  # the next of several recordings in one file
                yield from _flushed(resampler)
                resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE)
                kind = now
            yield from (part for part in resampler.resample(frame) if part.samples)
        yield from _flushed(resampler)

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
                    self._lost_count += 1
                    continue
                self._decoded_count += len(frames)
                yield from frames
        if self._lost_count > self._decoded_count:
            raise RefusedError("it can't be read")

    def _packets(self, packets: Iterator[AudioPacket]) -> Iterator[AudioPacket]:
        """Yield packets up to where the file is cut off."""
        try:
            yield from packets
        except (av.error.InvalidDataError, av.error.EOFError):
            self._lost_count += 1


def _measured(reader: AudioReader, max_seconds: float) -> TranscodeResult:
    """Measure the length of audio, and whether it can be heard; raises `RefusedError`."""
    samples, is_heard = 0, False
    for chunk in reader:
        samples += chunk.samples
        if samples > max_seconds * RATE:
            raise RefusedError(f"it is longer than {max_seconds:g} seconds")
        is_heard = is_heard or _is_audible(chunk)
    if not samples:
        raise RefusedError("there is no sound in it")
    return TranscodeResult(samples / RATE, silent=not is_heard)


def _encoded(reader: AudioReader) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", "mp3", {"id3v2_version": "0"}) as out:
        encoder = out.add_stream("libmp3lame", rate=RATE, options=ENCODER_OPTIONS, layout="mono")
        encoder.bit_rate = BIT_RATE
        for chunk in reader:
            out.mux(encoder.encode(chunk))
        out.mux(encoder.encode(None))
    return file.getvalue()


def _flushed(resampler: av.AudioResampler | None) -> Iterator[av.AudioFrame]:
    yield from (part for part in resampler.resample(None) if part.samples) if resampler else ()


def _is_audible(chunk: av.AudioFrame) -> bool:
    samples = array.array("h", bytes(chunk.planes[0])[: 2 * chunk.samples])
    return max(samples) > AUDIBLE or min(samples) < -AUDIBLE


def _preload_libraries() -> None:
    """Use the libraries once, so that they open their files before opening files is forbidden."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\x40\0\xc0" * 400)
    transcode(file.getvalue(), "wav", 1)


def _limit_resources() -> None:
    """Forbid new files and sockets, bound processor time and memory, and lower the priority."""
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
