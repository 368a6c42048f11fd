"""What a file carries beside its pictures, and what of it another file lacks."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream

# Tags that describe how a file was written, or that every muxer makes anew.
_WRITERS_TAG = re.compile(
    r'encoder|major_brand|minor_version|compatible_brands|duration(-.*)?|rotate|vendor_id|'
    r'alpha_mode|bps(-.*)?|number_of_(frames|bytes)(-.*)?|_statistics_.*', re.IGNORECASE)
_COVER_NAMES = {'filename', 'mimetype'}
# HEIF's way of one picture and many: the picture is a stream of its own
_PICTURE_BRANDS = {'avif', 'avis', 'mif1', 'msf1', 'heic', 'hevc', 'heix'}
_NOTHING: dict[str, str] = {}


@dataclasses.dataclass(frozen=True)
class StreamFacts:
    """What is known of a stream.

    Args:
        index (int): Its number in the file.
        kind (str): video, cover, audio, subtitle, attachment or data.
        codec (str): FFmpeg's name; '' where it has none.
        tags (dict[str, str]): Its tags, keys in lower case, without those of the writer.
        marks (Disposition): default, forced, hearing_impaired ...
    """

    index: int
    kind: str
    codec: str
    tags: dict[str, str]
    marks: Disposition

    def __str__(self) -> str:
        name = self.codec or self.tags.get('filename') or 'unknown to FFmpeg'
        return f'{self.kind} stream {self.index} ({name})'


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a file carries.

    Args:
        streams (tuple[StreamFacts, ...]): Its streams, the film first.
        tags (dict[str, str]): Its tags, keys in lower case, without those of the writer.
        chapters (tuple[str, ...]): Titles of the chapters.
    """

    streams: tuple[StreamFacts, ...]
    tags: dict[str, str]
    chapters: tuple[str, ...]


def film_stream(container: InputContainer) -> av.VideoStream | None:
    """The stream that is the film; None where there are covers at most.

    One that can be decoded, the default one, the largest, the longest: a preview, or an animated
    AVIF's single picture, comes after those.
    """
    def rank(stream: av.VideoStream) -> tuple[bool, bool, int, int]:
        can_decode = stream.codec_context is not None
        return (can_decode, bool(stream.disposition & Disposition.default),
                stream.width * stream.height if can_decode else 0, stream.frames)

    films = [stream for stream in container.streams.video
             if not stream.disposition & Disposition.attached_pic]
    return max(films, default=None, key=rank)


def look_at(container: InputContainer) -> Contents:
    """What a file carries; streams that its muxer makes of tags and chapters left out."""
    film = film_stream(container)
    pictures = container.metadata.get('major_brand') in _PICTURE_BRANDS
    tags = _own_tags(container.metadata)
    streams = [] if film is None else [_facts(film, tags)]
    streams += [_facts(stream, tags) for stream in container.streams
                if film is None or stream.index != film.index
                if not _is_made_by_the_muxer(stream) and not (pictures and stream.type == 'video')]
    chapters = tuple(chapter.get('metadata', _NOTHING).get('title', '')
                     for chapter in container.chapters())
    return Contents(tuple(streams), tags, chapters)


def missing_streams(before: Contents, after: Contents) -> list[StreamFacts]:
    """Streams of one file that another lacks."""
    return [stream for stream, counterpart in _pairs(before, after) if counterpart is None]


def common(before: Contents, after: Contents) -> Contents:
    """What of one file another has as well."""
    streams = [dataclasses.replace(
        stream, tags=_kept_tags(stream.tags, counterpart.tags),
        marks=stream.marks & counterpart.marks)
        for stream, counterpart in _pairs(before, after) if counterpart is not None]
    return Contents(tuple(streams), _kept_tags(before.tags, after.tags), after.chapters)


def differences(before: Contents, after: Contents) -> list[str]:
    """What of one file another has not: streams, marks, tags, chapters."""
    found = []
    for stream, counterpart in _pairs(before, after):
        if counterpart is None:
            found.append(f'{stream}: left out')
            continue
        marks = stream.marks & ~counterpart.marks
        if len(after.streams) == 1:
            marks &= ~Disposition.default  # there is nothing else to choose
        if marks:
            names = ', '.join(str(mark.name) for mark in Disposition if mark & marks)
            found.append(f'{stream}: marks {names} left out')
        found += _lost_tags(f'{stream.kind} stream {stream.index}', stream.tags, counterpart.tags)
    found += _lost_tags('the file', before.tags, after.tags)
    if before.chapters != after.chapters:
        found.append(f'chapters: {len(after.chapters)} of {len(before.chapters)} go in')
    return found


def _facts(stream: Stream, files_tags: dict[str, str]) -> StreamFacts:
    kind: str = stream.type or 'data'
    context = stream.codec_context
    if kind == 'video' and stream.disposition & Disposition.attached_pic:
        kind = 'cover'
    codec = context.codec.canonical_name if context is not None else ''
    if isinstance(stream, av.stream.DataStream):
        codec = stream.name or ''
    tags = _own_tags(stream.metadata)
    if kind == 'cover':  # a file's name, where it is kept as a file
        tags = {key: value for key, value in tags.items() if key not in _COVER_NAMES}
    if _plain(tags.get('creation_time', '')) == _plain(files_tags.get('creation_time', '')):
        tags.pop('creation_time', None)  # the file's, said again
    return StreamFacts(stream.index, kind, codec, tags, stream.disposition)


def _is_made_by_the_muxer(stream: Stream) -> bool:
    """Titles of chapters (mp4), and a clock: the film's tag says the same."""
    return stream.type == 'data' and (int(stream.discard) == int(Discard.all)
                                      or 'timecode' in stream.metadata)


def copied_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that go from one file into another."""
    return {key: value for key, value in tags.items() if not _WRITERS_TAG.fullmatch(key)}


def _own_tags(tags: dict[str, str]) -> dict[str, str]:
    own = {key.lower(): value for key, value in copied_tags(tags).items()
           if (key.lower(), value) != ('language', 'und')}
    # FFmpeg gives a tag that has a language twice
    return {key: value for key, value in own.items()
            if not (re.fullmatch(r'.+-[a-z]{3}', key) and own.get(key[:-4]) == value)}


def _kept_tags(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """What stays of tags; mp4 has a stream's title as the name of its handler."""
    other_names = {'title': after.get('handler_name', '')}
    return {key: value for key, value in before.items()
            if _plain(value) in (_plain(after.get(key, '')), other_names.get(key))}


def _lost_tags(owner: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    lost = before.keys() - _kept_tags(before, after).keys() - {'handler_name'}
    return [f'{owner}: tags {", ".join(sorted(lost))} left out'] if lost else []


def _plain(value: str) -> str:
    """A value whose form containers agree on."""
    return value.strip().replace('.000000Z', 'Z')


def _is_same(codec: str, other: str) -> bool:
    """Whether two names may be one codec's: mp4 does not tell MPEG's layers 1, 2 and 3 apart."""
    layers = {'mp1', 'mp2', 'mp3'}
    return codec == other or {codec, other} <= layers


def _pairs(before: Contents, after: Contents) -> list[tuple[StreamFacts, StreamFacts | None]]:
    """Streams with their counterparts: the same kind and codec, in the same order."""
    unused: dict[str, list[StreamFacts]] = defaultdict(list)
    for stream in after.streams[1:]:
        unused[stream.kind].append(stream)
    pairs: list[tuple[StreamFacts, StreamFacts | None]] = list(
        zip(before.streams[:1], after.streams[:1]))  # the films
    for stream in before.streams[1:]:
        candidates = unused[stream.kind]
        match = next((c for c in candidates if _is_same(c.codec, stream.codec)), None)
        if match is not None:
            candidates.remove(match)
        pairs.append((stream, match))
    return pairs
