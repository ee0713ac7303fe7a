"""Frames: what goes in comes out, and a torn or foreign stream is an error, never a hang."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.engines.process.frames import FrameError, read_frame, write_frame

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Lone surrogates too."""


@given(st.lists(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.none()), max_size=4))
def test_frames_come_back_as_they_were(frames: list[dict[str, Any]]) -> None:
    stream = io.BytesIO()
    for frame in frames:
        write_frame(stream, frame)
    stream.seek(0)
    assert [read_frame(stream) for _ in frames] == frames
    assert read_frame(stream) is None


BROKEN = [
    (b"\x00", "no frame"),
    (b"\x00\x00\x00\x05{}", "after 2 of 5"),
    (b"\xff\xff\xff\xff{}", "no frame"),
    (b"Some library printed this line\n", "no frame"),
    (b"\x00\x00\x00\x02[]", "no JSON object"),
    (b"\x00\x00\x00\x02{'", "no JSON"),
    (b"\x00\x00\x00\x02\xff\xfe", "no JSON"),
]


@pytest.mark.parametrize(("data", "says"), BROKEN)
def test_broken_stream_is_an_error(data: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        read_frame(io.BytesIO(data))


def test_too_large_frame_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.engines.process.frames.MAX_BYTES", 10)
    with pytest.raises(FrameError, match="over the limit"):
        write_frame(io.BytesIO(), {"text": "more than ten bytes"})
