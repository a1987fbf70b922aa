"""Frames of animations against Pillow, sampling against transformers. Run: parity_video.py IMAGE_PROBE"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence
from transformers.video_utils import VideoMetadata, default_sample_indices_fn

import pictures
from probe import Probe

MAX_FRAMES = 32
WEBP_LARGEST = 1  # blending a frame over the one before may round down


def moving_square(count, height=40, width=56):
    """Frames of few colours, as a GIF keeps them."""
    frames = []
    for i in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:, :, 2] = 64
        x, y = 3 * i % (width - 10), 2 * i % (height - 10)
        frame[y:y + 10, x:x + 10] = (255, 32 * (i % 8), 0)
        frames.append(frame)
    return frames


def rings(count, height=40, width=56):
    """Frames with alpha: what a frame leaves must vanish with the next."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(count):
        distance = np.hypot(x - 5 - 4 * i % width, y - 20)
        alpha = np.clip(255 - 20 * np.abs(distance - 10), 0, 255)
        colours = [0 * x + 40 * (i % 6), 5 * x % 256, 6 * y % 256]
        frames.append(np.stack([*colours, alpha], -1).astype(np.uint8))
    return frames


def indices(total):
    count = min(total, MAX_FRAMES)
    return default_sample_indices_fn(VideoMetadata(total_num_frames=total), num_frames=count)


def expected_frames(path):
    """[(seconds, pixels)] of the sampled frames, by Pillow."""
    with Image.open(path) as picture:
        total = picture.n_frames
        frames, seconds = [], 0.0
        for frame in ImageSequence.Iterator(picture):
            pixels = np.asarray(frame.convert("RGB"))
            frames.append((seconds, pixels))
            seconds += frame.info["duration"] / 1000
    return [frames[i] for i in indices(total)]


def check(probe, path):
    expected = expected_frames(path)
    actual = probe.video(path)
    assert len(actual) == len(expected), (path.name, len(actual), len(expected))
    for i, ((time, seconds, pixels), (right_seconds, right_pixels)) in enumerate(
            zip(actual, expected)):
        assert abs(seconds - right_seconds) < 1e-6, (path.name, i, seconds, right_seconds)
        minutes, rest = divmod(int(right_seconds + 1e-9), 60)
        assert time == f"{minutes:02d}:{rest:02d}", (path.name, i, time)
        difference = np.abs(pixels.astype(int) - right_pixels).max()
        limit = WEBP_LARGEST if path.suffix == ".webp" else 0
        assert difference <= limit, f"{path.name}: frame {i} differs by {difference}"


def check_first_frame(probe, folder):
    """What is transparent in it shows as in a picture."""
    names = [name for name in pictures.lossless(folder) if name.endswith(".gif")]
    for name in names:
        (_, _, first), *_ = probe.video(folder / name)
        assert np.array_equal(first, probe.pixels(folder / name)), name
    return len(names)


def check_folder(probe, folder, total):
    """Frames by number, however written; 24 a second."""
    folder.mkdir()
    frames = moving_square(total)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame{i}.png")
    (folder / "notes.txt").write_text("no frame")
    (folder / ".hidden.png").write_text("no frame")
    actual = probe.video(folder)
    chosen = indices(total)
    assert len(actual) == len(chosen)
    for index, (_, seconds, pixels) in zip(chosen, actual):
        assert abs(seconds - index / 24) < 1e-6, (index, seconds)
        assert np.array_equal(pixels, frames[index]), index


def main():
    with tempfile.TemporaryDirectory(prefix="octavo-video-") as folder:
        folder = Path(folder)
        probe = Probe()
        count = 0
        for total in (1, 2, 31, 32, 33, 64, 100):
            first, *others = [Image.fromarray(frame) for frame in moving_square(total)]
            for name, options in (("plain.gif", {"disposal": 1}),
                                  ("optimised.gif", {"optimize": True}),
                                  ("lossless.webp", {"lossless": True})):
                if total == 1 and name.endswith("webp"):
                    continue  # Pillow writes a still picture
                path = folder / f"{total}_{name}"
                durations = [20 * (2 + i % 5) for i in range(total)]
                first.save(path, save_all=True, append_images=others,
                           duration=durations if total > 1 else 40, **options)
                check(probe, path)
                count += 1
            check_folder(probe, folder / f"folder_{total}", total)
        first.save(folder / "slow.gif", save_all=True, append_images=others[:3], duration=45000)
        check(probe, folder / "slow.gif")
        first, *others = [Image.fromarray(frame, "RGBA") for frame in rings(20)]
        for name, options in (("rings.webp", {}), ("small_rings.webp", {"minimize_size": True}),
                              ("lossy_rings.webp", {"lossless": False, "quality": 80}),
                              ("rings_of_a_kind.webp", {"kmin": 1, "kmax": 1})):
            options = {"lossless": True, "exact": True, **options}
            first.save(folder / name, save_all=True, append_images=others, duration=70, **options)
            check(probe, folder / name)
            count += 1
        print(f"{check_first_frame(probe, folder)} GIF files begin as they look as pictures")
        print(f"{count + 1} animations equal to Pillow's frames, 7 folders of frames in order")


if __name__ == "__main__":
    sys.exit(main())
