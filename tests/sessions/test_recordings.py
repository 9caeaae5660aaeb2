"""What is taken for a recording, and what becomes of it."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import av
import pytest

from app.kaltura.client import Recording
from app.problems import InvalidRequest, QueueFull
from app.sessions.audio import recordings, subprocess_runner, transcoder
from app.sessions.audio.recordings import TRANSCODER, Recordings, RecordingStopped, Transcoder
from app.sessions.audio.transcoder import RefusedError, transcode
from tests.support.audio import encoded, wav

SESSION: Final = "session-1"
HOUR: Final = 3600


def amr_wb(seconds: float) -> bytes:
    """Noise as a telephone would send it; nothing here makes AMR-WB, but any bits are a sound."""
    frame = b"\x04" + bytes(range(17))  # the smallest kind, of 20 ms
    return b"#!AMR-WB\n" + frame * int(50 * seconds)


def tagged(audio: bytes) -> bytes:
    """With an ID3 tag of 200 bytes before it, as podcast tools write it."""
    return b"ID3\x04\0\0" + bytes([0, 0, 1, 72]) + bytes(200) + audio


def an_hour_of_opus() -> bytes:
    """One packet of 60 ms, over and over: an hour in less than a megabyte."""
    file = io.BytesIO()
    options = {"frame_duration": "60", "b": "6000"}
    with (
        av.open(io.BytesIO(wav(1, loudness=0)), "r") as source,
        av.open(file, "w", "ogg", {"page_duration": "60000000"}) as out,
    ):
        stream = out.add_stream("libopus", rate=48_000, layout="mono", options=options)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        packets = [
            bytes(packet)
            for frame in source.decode(audio=0)
            for part in resampler.resample(frame)
            for packet in stream.encode(part)
        ]
        smallest = min(packets, key=len)
        for number in range(HOUR * 1000 // 60):
            packet = av.Packet(smallest)
            packet.stream, packet.pts, packet.dts = stream, number * 2880, number * 2880
            packet.duration = 2880
            out.mux_one(packet)
    return file.getvalue()


async def fit(audio: bytes) -> Recording:
    return await Recordings().prepare(set(), audio)


async def refusal(audio: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest, match=r"^audio: ") as refused:
        await fit(audio)
    return refused.value


def described(audio: bytes) -> tuple[str, str, int, float]:
    """Container, layout, rate, and seconds of a recording."""
    with av.open(io.BytesIO(audio), "r") as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(audio=0))
        seconds = sum(frame.samples for frame in frames) / stream.rate
        return container.format.name, stream.layout.name, stream.rate, seconds


@pytest.fixture
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each recording costs a process, which says what the same function says here."""

    async def run(
        _program: Path, demuxer: str, longest: str, *, given: bytes, **_: object
    ) -> bytes:
        return transcoder.answer(given, demuxer, float(longest))

    monkeypatch.setattr(subprocess_runner, "run", run)


class TestBrowsers:
    @pytest.mark.parametrize(
        ("container", "codec"),
        [
            ("webm", "libopus"),  # Chromium's microphone
            ("ogg", "libopus"),  # Firefox's
            ("mp4", "aac"),  # Safari's
            ("webm", "pcm_f32le"),
            ("wav", "pcm_s16le"),
        ],
    )
    async def test_what_browsers_record_becomes_mp3(self, container: str, codec: str) -> None:
        muxer = "matroska" if codec == "pcm_f32le" else container
        sound = await fit(encoded(muxer, codec, seconds=1.5))
        assert sound.media_type == "audio/mpeg"
        kind, layout, rate, seconds = described(sound.audio)
        assert (kind, layout, rate) == ("mp3", "mono", 44_100)
        assert sound.duration_seconds == pytest.approx(1.5, abs=0.05)
        assert seconds == pytest.approx(sound.duration_seconds, abs=0.03)


@pytest.mark.usefixtures("_in_this_process")
class TestKinds:
    @pytest.mark.parametrize(
        ("container", "codec", "rate"),
        [
            ("ipod", "alac", 48_000),  # an iPhone's voice memo, lossless
            ("caf", "alac", 48_000),
            ("caf", "pcm_s16be", 48_000),
            ("caf", "adpcm_ima_qt", 22_050),
            ("3gp", "libopencore_amrnb", 8000),  # older Android
            ("amr", "libopencore_amrnb", 8000),
            ("adts", "aac", 44_100),
            ("mov", "pcm_s16le", 44_100),
            ("aiff", "pcm_s24be", 44_100),
            ("aiff", "pcm_s16le", 44_100),  # AIFC
            ("flac", "flac", 44_100),
            ("ogg", "flac", 44_100),
            ("wav", "adpcm_ima_wav", 22_050),  # pocket recorders
            ("asf", "wmav2", 44_100),
        ],
    )
    async def test_what_telephones_and_recorders_make_becomes_mp3_of_the_same_length(
        self, container: str, codec: str, rate: int
    ) -> None:
        sound = await fit(encoded(container, codec, rate=rate, seconds=1.5))
        assert sound.media_type == "audio/mpeg"
        assert sound.duration_seconds == pytest.approx(1.5, abs=0.1)
        assert described(sound.audio)[0] == "mp3"

    async def test_a_telephones_wide_band_is_read(self) -> None:
        assert (await fit(amr_wb(1.5))).duration_seconds == pytest.approx(1.5, abs=0.05)

    @pytest.mark.parametrize(
        ("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac"), ("flac", "flac")]
    )
    async def test_a_tag_does_not_hide_what_follows(self, container: str, codec: str) -> None:
        sound = await fit(tagged(encoded(container, codec, rate=44_100)))
        assert sound.duration_seconds == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("rate", [24_000, 44_100])
    async def test_an_mp3_that_is_whole_stays_as_it_is(self, rate: int) -> None:
        mp3 = encoded("mp3", "libmp3lame", rate=rate)
        for audio in (mp3, mp3 + b"TAG".ljust(128, b"\0")):
            sound = await fit(audio)
            assert sound.audio == audio
            assert sound.duration_seconds == pytest.approx(1, abs=0.05)

    @pytest.mark.parametrize("frame", [20, -1])
    async def test_an_mp3_with_other_things_inside_is_made_anew(self, frame: int) -> None:
        mp3 = encoded("mp3", "libmp3lame")
        with av.open(io.BytesIO(mp3), "r") as container:
            ends = [(packet.pos or 0) + packet.size for packet in container.demux() if packet.size]
        where = ends[frame]
        stuffed = mp3[:where] + b"<script>" * 100 + mp3[where:]
        sound = await fit(stuffed)
        assert b"script" not in sound.audio
        assert sound.duration_seconds == pytest.approx(1, abs=0.15)

    async def test_only_the_sound_of_a_video_is_said(self) -> None:
        file = io.BytesIO()
        with (
            av.open(io.BytesIO(wav(1)), "r") as source,
            av.open(file, "w", "matroska") as out,
        ):
            picture = out.add_stream("mpeg4", rate=25)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
            sound = out.add_stream("libmp3lame", rate=44_100, layout="mono")
            assert isinstance(sound, av.AudioStream)
            out.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            resampler = av.AudioResampler(format="s16p", layout="mono", rate=44_100)
            for frame in source.decode(audio=0):
                for part in resampler.resample(frame):
                    out.mux(sound.encode(part))
            out.mux([*picture.encode(None), *sound.encode(None)])
        assert (await fit(file.getvalue())).duration_seconds == pytest.approx(1, abs=0.1)


class TestLength:
    def test_a_recording_may_be_as_long_as_allowed_and_no_longer(self) -> None:
        measured, _ = transcode(wav(2), "wav", 2)
        assert measured.seconds == 2
        with pytest.raises(RefusedError, match=r"longer than 1\.9 seconds"):
            transcode(wav(2), "wav", 1.9)


class TestOfAService:
    """Sound that was asked for, and not sent by a stranger."""

    async def test_silence_is_nothing_to_refuse(self) -> None:
        sound = await Transcoder().recording(wav(1.5, loudness=0), may_be_silent=True)
        assert sound.duration_seconds == pytest.approx(1.5, abs=0.01)


@pytest.mark.usefixtures("_in_this_process")
class TestRefusals:
    @pytest.mark.parametrize(
        "audio",
        [
            b"",
            b"text",
            b"\x89PNG",
            b"RIFF0000AVI ",
            b"\xff\xff\xff",
            b"#EXTM3U\nfile:///etc/passwd",
        ],
    )
    async def test_the_bytes_decide_and_not_the_name(self, audio: bytes) -> None:
        assert (await refusal(audio)).status == 415

    @pytest.mark.parametrize(
        "audio",
        [
            b"ID3",
            b"ID3" + b"\0" * 5000,
            b"\xff\xfb" * 900,
            b"RIFF0000WAVEfmt ",
            b"OggS" + bytes(range(256)) * 9,
            b"\x1aE\xdf\xa3" + bytes(range(256)) * 9,
            b"\0\0\0\x20ftypM4A " + bytes(range(256)) * 9,
            encoded("mp4", "aac")[:300],
            b"RIFF0000WAVE" + b"OggS" * 99,
        ],
    )
    async def test_what_is_broken_or_begins_as_something_else_is_refused(
        self, audio: bytes
    ) -> None:
        assert (await refusal(audio)).status == 422

    async def test_what_breaks_off_is_said_as_far_as_it_goes(self) -> None:
        whole = encoded("webm", "libopus", seconds=2)
        sound = await fit(whole[: len(whole) // 2])
        assert 0.5 < sound.duration_seconds < 1.5

    async def test_silence_is_refused(self) -> None:
        assert "silent" in (await refusal(wav(1, loudness=0))).detail
        assert "silent" in (await refusal(wav(1, loudness=50))).detail

    async def test_a_recording_of_no_length_is_refused(self) -> None:
        assert "no sound" in (await refusal(wav(0))).detail

    async def test_a_video_without_sound_is_refused(self) -> None:
        file = io.BytesIO()
        with av.open(file, "w", "mp4") as out:
            stream = out.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
            out.mux(stream.encode(None))
        assert "no sound" in (await refusal(file.getvalue())).detail

    async def test_a_kind_of_sound_that_is_not_needed_is_not_tried(self) -> None:
        assert "a kind" in (await refusal(encoded("wav", "adpcm_ms"))).detail


class TestPrograms:
    """What may go wrong in the process that reads a recording."""

    @pytest.fixture
    def program(self, tmp_path: Path) -> Callable[[str], Recordings]:
        """Recordings read by a program of the test's own, which notes its process's id first."""
        path, pid = tmp_path / "program.py", str(tmp_path / "pid")
        note = (
            "import os, sys, time\n"
            f"with open({pid + '.new'!r}, 'w') as file: print(os.getpid(), file=file)\n"
            f"os.rename({pid + '.new'!r}, {pid!r})\n"
        )

        def recordings_read_by(source: str, seconds: float = 60) -> Recordings:
            path.write_text(note + source)
            return Recordings(transcoder=path, seconds=seconds)

        return recordings_read_by

    @pytest.fixture
    def is_gone(self, tmp_path: Path) -> Callable[[], bool]:
        """Whether the program's process is gone, and waited for."""

        def look() -> bool:
            pid = int((tmp_path / "pid").read_text())
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            return False

        return look

    @pytest.mark.parametrize(
        "source",
        [
            "os.abort()",
            "sys.exit(3)",
            "print('nonsense')",
            """print('{"seconds": 1e9, "silent": false, "refused": null}')""",
            "while True: sys.stdout.write('x' * 65536)",
        ],
    )
    async def test_a_crash_and_nonsense_are_problems(
        self,
        program: Callable[[str], Recordings],
        is_gone: Callable[[], bool],
        source: str,
    ) -> None:
        with pytest.raises(InvalidRequest, match=r"^audio: it can't be read"):
            await program(source).prepare(set(), wav(60))
        assert is_gone()

    async def test_what_takes_too_long_is_killed(
        self, program: Callable[..., Recordings], is_gone: Callable[[], bool]
    ) -> None:
        with pytest.raises(InvalidRequest, match=r"^audio: it can't be read"):
            await program("time.sleep(1e6)", seconds=0.5).prepare(set(), wav(60))
        assert is_gone()

    async def test_what_is_stopped_meanwhile_is_not_said(
        self, program: Callable[[str], Recordings], is_gone: Callable[[], bool], tmp_path: Path
    ) -> None:
        reading = program("time.sleep(1e6)")
        own: set[asyncio.Task[Recording]] = set()
        task = asyncio.create_task(reading.prepare(own, wav(1)))
        await _until((tmp_path / "pid").exists)
        for in_work in own:
            in_work.cancel()
        with pytest.raises(RecordingStopped):
            await task
        assert is_gone()

    async def test_whoever_asks_no_more_leaves_no_process(
        self, program: Callable[[str], Recordings], is_gone: Callable[[], bool], tmp_path: Path
    ) -> None:
        task = asyncio.create_task(program("time.sleep(1e6)").prepare(set(), wav(1)))
        await _until((tmp_path / "pid").exists)
        task.cancel()
        await asyncio.wait({task})
        assert is_gone()

    async def test_no_process_to_be_had_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(QueueFull):
            await fit(wav(1))

    async def test_it_knows_nothing_of_the_broker(
        self, program: Callable[[str], Recordings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("AVATAR_KS", "secret")
        seen = tmp_path / "seen"
        source = f"print(os.environ, os.listdir('/proc/self/fd'), file=open({str(seen)!r}, 'w'))"
        with pytest.raises(InvalidRequest):
            await program(source).prepare(set(), wav(1))
        assert "secret" not in seen.read_text()
        assert "['0', '1', '2', '3']" in seen.read_text()  # 3 is this look itself


class TestPushingBack:
    async def test_one_session_has_few_in_work_and_all_have_some(self, tmp_path: Path) -> None:
        program = tmp_path / "program.py"
        program.write_text("import time; time.sleep(1e6)")
        reading = Recordings(transcoder=program)
        most = recordings.MAX_TRANSCODING + recordings.MAX_WAITING
        sessions: list[set[asyncio.Task[Recording]]] = [set() for _ in range(most)]
        tasks = []
        for n in range(most):
            own = sessions[n // recordings.MAX_PER_SESSION]
            tasks.append(asyncio.create_task(reading.prepare(own, wav(1))))
            await asyncio.sleep(0)
            if len(tasks) in {recordings.MAX_PER_SESSION, most}:
                with pytest.raises(QueueFull) as full:
                    await reading.prepare(own if len(tasks) < most else set(), wav(1))
                assert full.value.retry_after
        for in_work in sessions[0]:
            in_work.cancel()
        await asyncio.wait(tasks[:2])
        again = asyncio.create_task(reading.prepare(set(), wav(1)))
        await asyncio.sleep(0)
        assert not again.done()
        for task in (*tasks, again):
            task.cancel()
        await asyncio.wait({*tasks, again})

    async def test_one_address_has_its_share_of_what_is_in_work(self, tmp_path: Path) -> None:
        program = tmp_path / "program.py"
        program.write_text("import time; time.sleep(1e6)")
        reading = Recordings(transcoder=program, address_share_percent=80)

        async def sent(
            own: set[asyncio.Task[Recording]], address: str | None
        ) -> asyncio.Task[Recording]:
            task = asyncio.create_task(reading.prepare(own, wav(1), address))
            await asyncio.sleep(0)
            return task

        tasks = [await sent(set(), "home") for _ in range(6)]
        with pytest.raises(QueueFull, match="network address") as full:
            await (await sent(set(), "home"))
        assert full.value.retry_after
        tasks += [await sent(set(), "away"), await sent(set(), None)]
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        tasks.append(await sent(set(), "home"))
        assert not any(task.done() for task in tasks[1:]), "who is through makes room"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def test_others_are_served_while_a_recording_is_read(self) -> None:
        task = asyncio.create_task(fit(wav(30)))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 20
        assert (await task).duration_seconds == pytest.approx(30)


class TestConfinement:
    def test_a_decoder_fed_by_strangers_can_open_nothing_and_grow_little(self) -> None:
        attempts = """
import sys; sys.path.insert(0, sys.argv[1])
import socket, transcoder
transcoder._limit_resources()
for attempt in (lambda: open("/etc/passwd"), lambda: open("/tmp/x", "w"), socket.socket,
                lambda: bytearray(transcoder.MEMORY_BYTES)):
    try: attempt()
    except (OSError, MemoryError) as error: print(type(error).__name__)
"""
        command = [sys.executable, "-I", "-B", "-c", attempts, str(TRANSCODER.parent)]
        tried = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
        assert tried.stdout.split() == ["OSError", "OSError", "OSError", "MemoryError"]

    @pytest.mark.parametrize(
        ("kind", "told"), [("ogg", b"it is longer than 600 seconds"), ("mov", b"it can't be read")]
    )
    def test_memory_stays_small_whatever_comes(self, kind: str, told: bytes) -> None:
        measured = """
import sys; sys.path.insert(0, sys.argv.pop(1))
import resource, transcoder
status = open("/proc/self/status")
transcoder.main()
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
print(*(line.split()[1] for line in status if line.startswith("VmHWM")), limit, file=sys.stderr)
"""
        audio = an_hour_of_opus() if kind == "ogg" else _claiming_much()
        assert len(audio) < 1_000_000
        command = [sys.executable, "-I", "-B", "-c", measured, str(TRANSCODER.parent), kind, "600"]
        run = subprocess.run(command, input=audio, capture_output=True, check=True)  # noqa: S603 - our own program
        assert b'"refused": "%s"' % told in run.stdout
        most_kilobytes, most_files = map(int, run.stderr.split())
        assert most_kilobytes < 64 * 1024
        assert most_files == 3


def _claiming_much() -> bytes:
    """An MP4 that says it has four thousand million samples."""
    mp4 = encoded("mp4", "aac")
    at = mp4.index(b"stsz") + 12
    return mp4[:at] + b"\xff\xff\xff\xf0" + mp4[at + 4 :]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process can't set our event
            await asyncio.sleep(0.01)
