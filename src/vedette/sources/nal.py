"""What the first bytes of an encoded picture tell before it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Rec. ITU-T H.264 table 7-1 and H.265 table 7-1.
_H264_SLICE = 1
_H264_IDR = 5
_HEVC_SLICES = range(32)
_HEVC_IDR_W_RADL, _HEVC_IDR_N_LP = 19, 20

# Codecs whose key frame resets everything and is shown before all that come after it.
_KEY_RESTARTS = {
    *("mjpeg", "mjpegb", "jpeg2000", "jpegls", "png", "bmp", "rawvideo", "prores", "dnxhd"),
    *("dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "vp6", "vp6f", "vp8", "vp9", "av1"),
    *("flv1", "h263"),
}
# Likewise, unless B-pictures are used: those may be shown between it and the group before.
_KEY_RESTARTS_WITHOUT_B = {
    *("mpeg4", "mpeg1video", "mpeg2video", "msmpeg4v2", "msmpeg4v3", "wmv2"),
}


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a stream's pictures are written.

    Attributes:
        codec: FFmpeg's name.
        length_bytes: Bytes of a NAL unit's length prefix; 0 where start codes part the units.
        reorders: Pictures may be shown in another order than they are decoded.
    """

    codec: str
    length_bytes: int
    reorders: bool

    @classmethod
    def of(cls, codec: str, extradata: bytes | None, *, reorders: bool) -> Syntax:
        """Read the syntax off the codec's configuration (ISO/IEC 14496-15 `avcC`, `hvcC`)."""
        length_bytes = 0
        size_at = {"h264": 4, "hevc": 21}.get(codec)
        if size_at and extradata and extradata[0] == 1 and len(extradata) > size_at:
            length_bytes = (extradata[size_at] & 3) + 1
        return cls(codec, length_bytes, reorders)

    @property
    def may_reorder(self) -> bool:
        """Whether the codec knows pictures that are shown in another order than decoded."""
        return self.codec not in _KEY_RESTARTS

    def restarts(self, picture: memoryview) -> bool:
        """Tell whether decoding can begin at this key picture, and all after it is exact.

        An open group's first picture does not count: those after it in decoding order may be shown
        before it and refer to the group before.
        """
        if self.codec == "h264":
            return (self._first_slice(picture) & 31) == _H264_IDR
        if self.codec == "hevc":
            return (self._first_slice(picture) >> 1 & 63) in (_HEVC_IDR_W_RADL, _HEVC_IDR_N_LP)
        if self.codec in _KEY_RESTARTS_WITHOUT_B:
            return not self.reorders
        return self.codec in _KEY_RESTARTS

    def disposable(self, picture: memoryview) -> bool:
        """Tell whether surely no other picture refers to this one."""
        if self.codec != "h264":
            return False
        first = self._first_slice(picture)
        return first >= 0 and first & 31 == _H264_SLICE and first >> 5 & 3 == 0  # nal_ref_idc

    def hidden(self, picture: memoryview) -> bool:
        """Tell whether this picture is for reference alone and never shown (VP8, RFC 6386 §9.1)."""
        return self.codec == "vp8" and len(picture) > 0 and not picture[0] >> 4 & 1

    def _first_slice(self, picture: memoryview) -> int:
        """Give the first header byte of the first NAL unit that holds picture data, or -1."""
        for header in self._headers(picture):
            kind = header & 31 if self.codec == "h264" else header >> 1 & 63
            if _H264_SLICE <= kind <= _H264_IDR if self.codec == "h264" else kind in _HEVC_SLICES:
                return header
        return -1

    def _headers(self, picture: memoryview) -> Iterator[int]:
        if self.length_bytes:
            at = 0
            while at + self.length_bytes < len(picture):
                size = int.from_bytes(picture[at : at + self.length_bytes], "big")
                yield picture[at + self.length_bytes]
                at += self.length_bytes + size
            return
        # A slice may be long and none of it holds a start code, so the search stops at the first.
        raw = bytes(picture)
        at = raw.find(b"\0\0\1")
        while 0 <= at < len(raw) - 3:
            yield raw[at + 3]
            at = raw.find(b"\0\0\1", at + 3)
