"""The pauses of speech are found in any file with sound, also in noise."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np
import pytest
from media_files import video, wav
from spoken_sounds import hum, noise, silence, word, words_and_pauses, write_coded, write_wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.editing.speech_cuts import choose_cuts
from airflow_provider_videoretalk.editing.speech_pauses import Pause, SpeechSound, find_pauses, pauses_of
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak

# Words from 0.5 to 1.3, from 1.5 to 3.1, from 3.7 to 4.7 and from 5.9 to 7.5.
SOUND = words_and_pauses(0.5, 0.8, 0.2, 1.6, 0.6, 1.0, 1.2, 1.6, 0.5)
PAUSES = [(1.3, 1.5), (3.1, 3.7), (4.7, 5.9)]


def assert_found(found: SpeechSound, pauses: list[tuple[float, float]], *, within: float = 0.03, later: float = 0):
    assert [moment for pause in found.pauses for moment in (pause.start - later, pause.end - later)] == pytest.approx(
        [moment for pause in pauses for moment in pause], abs=within
    )


def test_words_and_pauses(tmp_path):
    found = find_pauses(write_wav(tmp_path / "a.wav", SOUND))
    assert_found(found, PAUSES, within=0.011)
    assert (found.seconds, found.speech_start, found.speech_end) == pytest.approx((8.0, 0.5, 7.5), abs=0.011)


@pytest.mark.parametrize(
    "disturbance",
    [
        noise(SOUND, loudness=0.001),
        noise(SOUND, loudness=0.02),
        hum(SOUND, loudness=0.1),
        hum(SOUND, loudness=0.01, frequency=300),
        np.full(len(SOUND), 0.1),
    ],
    ids=["hiss", "loud-noise", "mains", "fan", "offset"],
)
@pytest.mark.parametrize("loudness", [1.0, 0.15], ids=["loud", "quiet"])
def test_noise_is_no_speech(tmp_path, disturbance, loudness):
    assert_found(find_pauses(write_wav(tmp_path / "a.wav", loudness * (SOUND + disturbance))), PAUSES)


@pytest.mark.parametrize(
    ("codec", "container"), [("aac", "mp4"), ("aac", "adts"), ("libmp3lame", "mp3"), ("flac", "flac"), ("opus", "ogg")]
)
def test_coded_sound(tmp_path, codec, container):
    path = write_coded(tmp_path / "sound", SOUND, codec=codec, container=container)
    # A coder's first samples are its own; some containers have no word for how many these are.
    assert_found(find_pauses(path), PAUSES, within=0.06)


def test_two_channels(tmp_path):
    assert_found(find_pauses(write_wav(tmp_path / "a.wav", SOUND, channels=2)), PAUSES, within=0.011)


def test_a_sound_that_begins_later_than_its_file(tmp_path):
    path = write_coded(tmp_path / "a.mp4", SOUND, codec="aac", container="mp4", begins_at=0.7)
    assert_found(find_pauses(path), PAUSES, later=0.7)


def test_a_sound_with_gaps(tmp_path):
    """Each quarter of the tone is preceded by a second for which the file has no samples."""
    path = write_coded(tmp_path / "a.mp4", word(4), codec="aac", container="mp4", gaps=(0, 1, 1, 1))
    found = find_pauses(path)
    assert_found(found, [(1, 2), (3, 4), (5, 6)], within=0.1)
    assert found.seconds == pytest.approx(7, abs=0.1)


def test_noise_that_changes_from_piece_to_piece(tmp_path):
    """Joined pieces: a clean one with digital silence, and a noisy one that is quieter."""
    noisy = 0.3 * (SOUND + noise(SOUND, loudness=0.01))
    found = find_pauses(write_wav(tmp_path / "a.wav", np.concatenate([*[SOUND] * 6, *[noisy] * 6])))
    here = [(start + 8 * k, end + 8 * k) for k in range(12) for start, end in PAUSES]
    seams = [(8 * k - 0.5, 8 * k + 0.5) for k in range(1, 12)]
    assert_found(found, sorted([*here, *seams]), within=0.05)


def test_a_click_in_a_pause_is_no_word(tmp_path):
    clicked = SOUND.copy()
    clicked[5 * 24000 : 5 * 24000 + 200] = 0.9
    assert_found(find_pauses(write_wav(tmp_path / "a.wav", clicked)), PAUSES, within=0.011)


def test_closed_lips_are_no_pause(tmp_path):
    found = find_pauses(write_wav(tmp_path / "a.wav", words_and_pauses(0.3, 0.5, 0.12, 0.5, 0.3)))
    assert found.pauses == ()
    assert (found.speech_start, found.speech_end) == pytest.approx((0.3, 1.42), abs=0.011)


@pytest.mark.parametrize("sound", [silence(2), noise(silence(2), loudness=0.0001)], ids=["digital", "noise"])
def test_silence_has_no_pauses(tmp_path, sound):
    found = find_pauses(write_wav(tmp_path / "a.wav", sound))
    assert (found.speech_start, found.speech_end, found.pauses) == (0, 0, ())


def test_speech(tmp_path):
    """Two sentences, of which the second has a comma."""
    path = tmp_path / "a.wav"
    speak(text="Good morning to all of you. The weather is warm, and the people are happy.", voice="a", output=path)
    found = find_pauses(path)
    assert len(found.pauses) == 2
    assert 0.05 < found.speech_start < 0.6
    assert found.seconds - 1.3 < found.speech_end < found.seconds


def test_a_video_without_sound(tmp_path):
    with pytest.raises(InputError, match=r"speech\.mp4 has no sound"):
        find_pauses(video(tmp_path / "a.mp4"), field="speech.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "kind empty, allowed are mp4, mov"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "kind playlist"),
        (wav(seconds=1)[:60], "the file has no sound that can be decoded|which cannot be decoded"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(40), "which cannot be decoded"),
    ],
    ids=["empty", "playlist", "cut", "no-index"],
)
def test_another_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        find_pauses(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"b\.wav', which cannot be opened \(FileNotFoundError\)"):
        find_pauses(tmp_path / "b.wav")


def spoken(*pauses: tuple[float, float], seconds: float) -> SpeechSound:
    found = tuple(Pause(start=start, end=end) for start, end in pauses)
    return SpeechSound(seconds=seconds, speech_start=0.2, speech_end=seconds - 0.2, pauses=found)


def test_speech_that_is_short_enough_is_not_cut():
    assert choose_cuts(spoken((59.5, 60.5), seconds=120)) == ()


def test_long_speech_is_cut_in_the_middle_of_pauses():
    cuts = choose_cuts(spoken((10, 11), (54, 55), (100, 101), (122, 123), (150, 151), seconds=180))
    assert cuts == (54.5, 122.5)


def test_a_long_pause_is_better_than_a_short_one_nearby():
    assert choose_cuts(spoken((59.9, 60.1), (64, 65), seconds=121)) == (64.5,)


def test_a_pause_near_the_end_leaves_no_piece_that_is_too_short():
    assert choose_cuts(spoken((58, 59), (119, 120), seconds=121)) == (58.5,)


def test_pieces_are_as_long_as_wished():
    pauses = [(second - 0.3, second + 0.3) for second in range(5, 200, 5)]
    cuts = choose_cuts(spoken(*pauses, seconds=200), shortest=10, longest=25, usual=20)
    assert cuts == pytest.approx((20, 40, 60, 80, 100, 120, 140, 160, 180))


def test_speech_without_a_pause_is_refused_with_the_place():
    with pytest.raises(InputError) as raised:
        choose_cuts(spoken((50, 51), (180, 181), seconds=240), field="voice.wav")
    assert str(raised.value) == (
        "voice.wav has no pause from second 50.5 to second 180.5 at which it can be cut: a piece has 2 to 120 s. "
        "Give speech with a pause there, e.g. with a full stop in its script, or give the pieces yourself."
    )


def test_long_silence_is_cut_too():
    sound = SpeechSound(seconds=400, speech_start=130, speech_end=210, pauses=())
    bounds = [0, *choose_cuts(sound), 400]
    assert all(2 <= end - start <= 120 for start, end in pairwise(bounds))
    assert not any(130 < cut < 210 for cut in bounds)


def test_two_hours_of_levels_are_read_at_once():
    """Loud and quiet in turn, every second: as many pauses as there are in two hours of speech."""
    levels = array("f", ([-20.0] * 70 + [-80.0] * 30) * 7200)
    found = pauses_of(levels)
    assert len(found.pauses) == 7199
    bounds = [0, *choose_cuts(found), 7200]
    assert all(55 < end - start < 65 for start, end in pairwise(bounds))
