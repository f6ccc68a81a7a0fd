"""A browser plays a joined video: each seek across a seam shows the right picture, and it plays to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numbered_video import numbered_video
from range_server import RangeServer

from airflow_provider_videoretalk.editing.join import join_pieces

from .person import Person

LENGTHS, RATE = (50, 37, 61), 25
# Four by four blocks, one for each bit of a frame's number, the lowest one first.
PAGE = """<!DOCTYPE html><video preload="auto" muted></video><script>
const video = document.querySelector("video"), canvas = document.createElement("canvas");
canvas.width = canvas.height = 64;
const brush = canvas.getContext("2d", { willReadFrequently: true });
const happens = name => new Promise((done, fail) => {
  video.addEventListener(name, done, { once: true });
  video.addEventListener("error", () => fail(video.error.message), { once: true });
});
async function load() {
  const loaded = happens("loadeddata");
  video.src = URL.createObjectURL(await (await fetch("/joined.mp4")).blob());
  await loaded;
}
function shown() {
  brush.drawImage(video, 0, 0, 64, 64);
  let number = 0;
  for (let bit = 0; bit < 16; bit++) {
    const [red] = brush.getImageData(16 * (bit % 4) + 8, 16 * Math.floor(bit / 4) + 8, 1, 1).data;
    if (red > 125) number += 2 ** bit;
  }
  return number;
}
async function seek(seconds) {
  const seeked = happens("seeked");
  video.currentTime = seconds;
  await seeked;
  return shown();
}
async function play() {
  await seek(0);
  const ended = happens("ended");
  video.playbackRate = 4;
  await video.play();
  await ended;
  return shown();
}
</script>"""


def joined(folder: Path) -> bytes:
    starts = [sum(LENGTHS[:number]) for number in range(len(LENGTHS))]
    sound = 0.2 * np.sin(2 * np.pi * 220 * np.arange(44_100 * max(LENGTHS) // RATE) / 44_100).astype(np.float32)
    pieces = [
        numbered_video(
            folder / f"{start}.mp4",
            range(start, start + length),
            rate=RATE,
            options={"preset": "veryfast", "bf": "2"},
            sound=sound[None, : 44_100 * length // RATE],
        )
        for start, length in zip(starts, LENGTHS, strict=True)
    ]
    made = join_pieces(pieces, folder / "joined.mp4")
    assert not made.reencoded
    return (folder / "joined.mp4").read_bytes()


def test_chromium_plays_and_seeks_across_every_seam(chromium: dict[str, str], tmp_path: Path) -> None:
    with RangeServer() as server:
        server.add("/joined.mp4", joined(tmp_path), content_type="video/mp4")
        page = server.add("/", PAGE.encode(), content_type="text/html")
        with Person.at(page, **chromium, pictures=tmp_path) as person:
            person.goes_to("")
            run = person.browser.execute_async_script
            call = "const done = arguments[arguments.length - 1]; {}.then(done, error => done(String(error)));"
            seams = [sum(LENGTHS[:number]) for number in range(1, len(LENGTHS))]
            # Forwards, backwards, and over both seams; in the middle of a picture's time.
            wanted = [frame + step for frame in seams for step in (-2, -1, 0, 1)]
            wanted += [*reversed(wanted), 0, seams[-1], seams[0] - 1, sum(LENGTHS) - 1]
            assert run(call.format("load()")) is None
            found = [run(call.format(f"seek({(frame + 0.5) / RATE})")) for frame in wanted]
            assert found == wanted
            assert run(call.format("play()")) == sum(LENGTHS) - 1
