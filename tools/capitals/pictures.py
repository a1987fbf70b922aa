"""Draws pictures of coloured shapes, with the colours that are in them.

Run: python pictures.py FOLDER [--count 100] [--seed 1]
writes FOLDER/000.png … and FOLDER/pictures.json: [{"file": "000.png", "colours": ["red", "blue"], ...}, ...].
Needs Pillow alone. The same seed gives the same pictures with the same Pillow.

What counts: a picture shows one to four shapes, each of one colour of PALETTE and no two of the same, on a plain light
background. The background is white or nearly so, and is no colour of the picture.
"""

import argparse
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

# In the order in which answers name them. Every channel of a shape's colour is within JITTER of these.
PALETTE = {
    "red": (222, 32, 40),
    "orange": (245, 135, 20),
    "yellow": (245, 218, 40),
    "green": (35, 152, 65),
    "cyan": (45, 200, 215),
    "blue": (40, 78, 210),
    "purple": (125, 48, 165),
    "pink": (246, 130, 190),
    "brown": (124, 74, 38),
    "grey": (128, 128, 128),
    "black": (18, 18, 18),
}
JITTER = 14
BACKGROUND = (228, 255)  # of each channel; they differ by at most BACKGROUND_TINT
BACKGROUND_TINT = 10
SHORT_SIDE = (64, 400)  # pixels
LONGEST_RATIO = 3.0
SHAPE_SIZE = (0.2, 0.5)  # of the short side
GAP = 0.03  # of the short side, between two shapes and to the border
SMOOTHING = 2  # drawn so many times as large, then averaged


@dataclass
class Picture:
    image: Image.Image
    colours: list  # names, in the order of PALETTE
    shapes: list  # of the same length: the shape of each colour


def polygon(sides, turn=0.0, inner=None):
    """Corners around the origin at radius 1; with `inner`, a star whose inner corners have that radius."""
    count = sides if inner is None else 2 * sides
    radii = [1.0 if inner is None or index % 2 == 0 else inner for index in range(count)]
    angles = [turn - math.pi / 2 + 2 * math.pi * index / count for index in range(count)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in zip(radii, angles)]


CROSS = [(-0.33, -1), (0.33, -1), (0.33, -0.33), (1, -0.33), (1, 0.33), (0.33, 0.33), (0.33, 1), (-0.33, 1),
         (-0.33, 0.33), (-1, 0.33), (-1, -0.33), (-0.33, -0.33)]
SHAPES = {
    "circle": None,
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "rectangle": [(-1, -0.6), (1, -0.6), (1, 0.6), (-1, 0.6)],
    "triangle": polygon(3),
    "diamond": [(0, -1), (0.75, 0), (0, 1), (-0.75, 0)],
    "hexagon": polygon(6),
    "star": polygon(5, inner=0.45),
    "cross": CROSS,
}


def random_size(rng):
    """(width, height): any ratio up to LONGEST_RATIO, wide or tall."""
    low, high = SHORT_SIDE
    short = round(low * (high / low) ** rng.random())
    long = round(short * LONGEST_RATIO ** (rng.random() ** 1.5))
    return (long, short) if rng.random() < 0.5 else (short, long)


def jittered(rng, colour):
    return tuple(min(255, max(0, channel + rng.randint(-JITTER, JITTER))) for channel in colour)


def background(rng):
    base = rng.randint(BACKGROUND[0], BACKGROUND[1] - BACKGROUND_TINT)
    return tuple(base + rng.randint(0, BACKGROUND_TINT) for _ in range(3))


def place(rng, size, radii):
    """A centre for each radius such that no two shapes touch and all are inside; None if there is no room."""
    gap, centres = GAP * min(size), []
    for radius in radii:
        for _ in range(60):
            x, y = (rng.uniform(radius + gap, side - radius - gap) for side in size)
            if all(math.hypot(x - a, y - b) >= radius + other + gap for (a, b), other in zip(centres, radii)):
                centres.append((x, y))
                break
        else:
            return None
    return centres


def draw_shape(draw, shape, centre, radius, colour):
    x, y = centre
    if SHAPES[shape] is None:
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
        return
    corners = SHAPES[shape]
    scale = radius / max(math.hypot(*corner) for corner in corners)
    draw.polygon([(x + scale * a, y + scale * b) for a, b in corners], fill=colour)


def draw_picture(rng, size=None, count=None):
    """A random picture; rng is a random.Random. size: (width, height)."""
    size = size or random_size(rng)
    colours = rng.sample(list(PALETTE), count or rng.randint(1, 4))
    shapes = [rng.choice(list(SHAPES)) for _ in colours]
    centres = None
    while not centres:
        radii = [min(size) * rng.uniform(*SHAPE_SIZE) / 2 for _ in colours]
        centres = place(rng, size, radii)
    image = Image.new("RGB", tuple(SMOOTHING * side for side in size), background(rng))
    draw = ImageDraw.Draw(image)
    for colour, shape, (x, y), radius in zip(colours, shapes, centres, radii):
        draw_shape(draw, shape, (SMOOTHING * x, SMOOTHING * y), SMOOTHING * radius, jittered(rng, PALETTE[colour]))
    named = sorted(zip(colours, shapes), key=lambda pair: list(PALETTE).index(pair[0]))
    return Picture(image.reduce(SMOOTHING), [colour for colour, _ in named], [shape for _, shape in named])


def write_pictures(folder, count, seed):
    """Writes the pictures and their labels, and returns the labels."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng, labels = random.Random(seed), []
    for index in range(count):
        picture, name = draw_picture(rng), f"{index:03}.png"
        picture.image.save(folder / name, optimize=True)
        labels.append({"file": name, "colours": picture.colours, "shapes": picture.shapes})
    rows = ",\n".join("  " + json.dumps(label) for label in labels)
    (folder / "pictures.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    return labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write_pictures(options.folder, options.count, options.seed)


if __name__ == "__main__":
    main()
