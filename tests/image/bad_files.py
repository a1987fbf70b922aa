"""Damaged and hostile pictures: one clear error each, within a second (see below) and 256 MiB, whatever they
say about themselves. Sound ones that are as large as they may be: within 256 MiB, decoded, resized
and cut into patches. Run: bad_files.py IMAGE_PROBE

OCTAVO_TEST_PATIENCE multiplies the limits, for slower builds.
"""

import io
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import bmp_writer
import pictures
import png_writer

PATIENCE = float(os.environ.get("OCTAVO_TEST_PATIENCE", 1))
# The decoders of animations stop themselves after 0.9 s of the processor's time. The rest is for
# all that comes before and after: 0.1 s, and more where a neighbour shares the core.
SECONDS = 1.5 * PATIENCE
SECONDS_OF_GOOD = 4.0 * PATIENCE  # there is work to do
BYTES = 256 * 2**20 * PATIENCE

MOST_WORK = 330e6  # of an animation, as src/image/decode.h has it

Image.MAX_IMAGE_PIXELS = None


def png_of(width, height, depth, colour, data, before=()):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", png_writer.chunk(b"IHDR", header),
                     *(png_writer.chunk(*one) for one in before), png_writer.chunk(b"IDAT", data),
                     png_writer.chunk(b"IEND", b"")])


def zeros(count):
    """`count` zero bytes, compressed a megabyte at a time."""
    stream = zlib.compressobj(1)
    parts = [stream.compress(bytes(min(2**20, count - done))) for done in range(0, count, 2**20)]
    return b"".join([*parts, stream.flush()])


def bad_png():
    small = png_writer.png(pictures.noise((9, 9, 3), 1), 8, png_writer.RGB)
    yield "zero_width.png", png_of(0, 5, 8, png_writer.RGB, zeros(10))
    yield "zero_height.png", png_of(5, 0, 8, png_writer.RGB, zeros(10))
    for side in (65535, 20000, 2**31 - 1):
        yield f"side_{side}.png", png_of(side, side, 1, png_writer.GREY, zeros(1000))
    yield "side_65535_whole.png", png_of(65535, 65535, 1, png_writer.GREY, zeros(65535 * 8193))
    yield "too_little_data.png", png_of(7000, 7000, 8, png_writer.RGBA, zeros(1000))
    yield "deep_and_large.png", png_of(7000, 7000, 16, png_writer.RGBA, zeros(1000))
    large = png_of(7000, 7000, 8, png_writer.RGB, zeros(7000 * 21001))
    yield "large_cut.png", large[:-300]
    at = len(large) - 60  # in the compressed data, close to its end
    yield "large_damaged.png", large[:at] + bytes([large[at] ^ 0x55]) + large[at + 1:]
    yield "no_header.png", small[:8] + small[33:]
    yield "checksum.png", small[:45] + bytes([small[45] ^ 1]) + small[46:]
    yield "depth_3.png", png_of(5, 5, 3, png_writer.GREY, zeros(100))
    yield "colour_5.png", png_of(5, 5, 8, 5, zeros(100))
    yield "filter_9.png", png_of(2, 2, 8, png_writer.GREY, zlib.compress(b"\x09abc\x09de"))
    yield "not_deflate.png", png_of(5, 5, 8, png_writer.GREY, b"no deflate stream")


def heavy_but_good_png():
    """Chunks that swell when decompressed, beside a tiny picture."""
    swollen = zeros(300 * 2**20)
    for name, head in ((b"zTXt", b"Comment\0\0"), (b"iCCP", b"profile\0\0"),
                       (b"iTXt", b"Comment\0\1\0\0\0")):
        yield f"swollen_{name.decode()}.png", png_of(
            4, 4, 8, png_writer.RGB, zeros(52), before=[(name, head + swollen)])


def photograph(width, height):
    tile = pictures.scene(512, 512, 5)
    repeats = (height // 512 + 1, width // 512 + 1, 1)
    return Image.fromarray(np.tile(tile, repeats)[:height, :width])


def jpeg_of(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_size(data, width, height):
    """The JPEG file with another size in its start of frame."""
    at = next(i for i in range(len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2))
    return data[:at + 5] + struct.pack(">HH", height, width) + data[at + 9:]


def last_scan(data):
    """The last scan of a JPEG file, from its marker to before the end-of-image marker."""
    return data[data.rindex(b"\xff\xda"):-2]


def cut_scan(data):
    """The JPEG file without the last tenth of its image data, but with its end."""
    return data[:-2 - len(data) // 10] + b"\xff\xd9"


def bad_jpeg():
    picture = Image.fromarray(pictures.scene(64, 64, 2))
    plain, progressive = jpeg_of(picture), jpeg_of(picture, progressive=True)
    yield "marker_alone.jpg", b"\xff\xd8\xff"
    yield "nothing_inside.jpg", b"\xff\xd8\xff\xd9"
    for width, height in ((65535, 65535), (0, 64), (64, 0), (7000, 7000)):
        yield f"plain_{width}x{height}.jpg", with_size(plain, width, height)
        yield f"progressive_{width}x{height}.jpg", with_size(progressive, width, height)
    yield "no_end.jpg", plain[:-2]
    yield "scans.jpg", progressive[:-2] + last_scan(progressive) * 20_000 + b"\xff\xd9"
    large = jpeg_of(Image.new("L", (7000, 7000)), progressive=True)
    yield "large_scans.jpg", large[:-2] + last_scan(large) * 1000 + b"\xff\xd9"
    yield "scan_cut.jpg", cut_scan(plain)
    yield "scan_cut_progressive.jpg", cut_scan(progressive)
    yield "last_scan_missing.jpg", progressive[:-2 - len(last_scan(progressive))] + b"\xff\xd9"
    yield "large_scan_cut.jpg", cut_scan(jpeg_of(photograph(8000, 6000), quality=85))
    yield "large_progressive.jpg", jpeg_of(Image.new("RGB", (7000, 7000)), progressive=True)
    yield "no_tables.jpg", b"\xff\xd8" + plain[plain.index(b"\xff\xc0"):]
    yield "twelve_bits.jpg", plain.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    yield "arithmetic.jpg", plain.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11")


def gif_of(width, height, body, flags=0x80):
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + b"\0\0\0\xff\xff\xff"
            + body)


def gif_frame(width, height, data=b"\2\2\x44\1\0", left=0, top=0):
    """A frame, of one pixel unless other data is given."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + data


def gif_frame_of(picture, interlaced=False):
    """A frame of a whole picture, by Pillow; its palette is left to the file."""
    buffer = io.BytesIO()
    picture.save(buffer, "GIF", interlace=interlaced, optimize=False)
    data = buffer.getvalue()
    at = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, *picture.size))
    data_at = at + 10 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
    return data[at:at + 9] + bytes([0x40 * interlaced]) + data[data_at:-1]


def bilevel(width, height):
    return Image.new("P", (width, height))


def long_gifs():
    """Animations that take as long as they may, as bodies of GIF files: name, width, height, body."""
    full = gif_frame_of(bilevel(1920, 1080))
    count = allowed(1920 * 1080, full, 1, 6)
    yield "full_frames", 1920, 1080, full * count
    pixels = np.random.default_rng(1).integers(0, 2, (1080, 1920), dtype=np.uint8)
    noise = gif_frame_of(Image.fromarray(pixels).convert("P"))
    yield "noise", 1920, 1080, noise * allowed(1920 * 1080, noise, 1, 6)
    yield "one_pixel_frames", 1920, 1080, gif_frame(1, 1) * 9900
    narrow = gif_frame_of(bilevel(1, 65535), interlaced=True)
    yield "narrow_frames", 31, 65535, narrow * allowed(32 * 65535, narrow, 1, 6)
    restored = b"\x21\xf9\4\x0c\0\0\0\0" + full
    yield "restored_frames", 1920, 1080, restored * count


def bad_gif():
    for name, width, height, body in long_gifs():
        yield f"long_{name}.gif", gif_of(width, height, body * 10 + b";")
        yield f"long_{name}_damaged.gif", gif_of(width, height, body + gif_frame(2, 1) + b";")
    yield "long_large_canvas.gif", gif_of(7000, 7000, gif_frame(1, 1) * 160 + gif_frame(2, 1) + b";")
    yield "zero_size.gif", gif_of(0, 0, gif_frame(1, 1) + b";")
    yield "screen_65535.gif", gif_of(65535, 65535, gif_frame(1, 1) + b";")
    yield "frame_65535.gif", gif_of(4, 4, gif_frame(65535, 65535) + b";")
    yield "frame_outside.gif", gif_of(4, 4, gif_frame(2, 2, left=3) + b";")
    yield "no_frame.gif", gif_of(4, 4, b";")
    yield "no_trailer.gif", gif_of(1, 1, gif_frame(1, 1))
    yield "frames_without_end.gif", gif_of(1, 1, gif_frame(1, 1) * 3_000_000)
    yield "three_million_frames.gif", gif_of(1, 1, gif_frame(1, 1) * 3_000_000 + b";")
    yield "too_few_pixels.gif", gif_of(7000, 7000, gif_frame(7000, 7000) + b";")
    yield "too_large_frames.gif", gif_of(4000, 4000, gif_frame(4000, 4000) * 2)
    yield "code_size_40.gif", gif_of(4, 4, gif_frame(4, 4, b"\x28\2\x44\1\0") + b";")
    yield "no_palette.gif", gif_of(1, 1, gif_frame(1, 1) + b";", flags=0)
    yield "unknown_block.gif", gif_of(1, 1, b"\x99" + gif_frame(1, 1) + b";")


def riff(*chunks):
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
                    for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def extended(width, height, flags=0):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") \
        + (height - 1).to_bytes(3, "little")


def webp_of(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", method=0, **options)
    return buffer.getvalue()


def webp_animation(width, height, frames):
    """Of pairs: the chunks of a frame, and its size."""
    def chunk(data, frame_width, frame_height):
        head = bytes(6) + (frame_width - 1).to_bytes(3, "little") \
            + (frame_height - 1).to_bytes(3, "little") + bytes(4)
        return b"ANMF", head + data
    return riff(extended(width, height, flags=0x12), (b"ANIM", bytes(6)),
                *[chunk(data, *size) for data, size in frames])


def allowed(pixels, data, of_a_pixel, of_a_byte):
    """How many such frames of an animation stay below the limit by one."""
    return int(MOST_WORK // (4096 + of_a_pixel * pixels + of_a_byte * len(data))) - 1


def long_webps():
    """Animations that take as long as they may: name, width, height, frames."""
    for name, picture, options in (
            ("lossy", photograph(1920, 1080), {"quality": 90}),
            ("lossless", photograph(1920, 1080), {"lossless": True, "quality": 0}),
            ("flat", Image.new("RGB", (1920, 1080)), {}),
            ("alpha", Image.new("RGBA", (1920, 1080), (1, 2, 3, 77)), {"quality": 10})):
        data = webp_of(picture, **options)
        inside = data[30 if data[12:16] == b"VP8X" else 12:]
        yield name, 1920, 1080, [(inside, picture.size)] * allowed(1920 * 1080, inside, 8, 20)
    dot = webp_of(Image.new("RGB", (1, 1)), lossless=True)[12:]
    yield "one_pixel_frames", 1920, 1080, [(dot, (1, 1))] * 9900


def bad_webp():
    for name, width, height, frames in long_webps():
        data, size = frames[0]
        if 10 * len(frames) * len(data) < 2**26:
            yield f"long_{name}.webp", webp_animation(width, height, frames * 10)
        last = data[:len(data) // 2]
        last = last[:4] + struct.pack("<I", len(last) - 8) + last[8:]
        yield f"long_{name}_damaged.webp", webp_animation(width, height, frames + [(last, size)])
    buffer = io.BytesIO()
    Image.fromarray(pictures.scene(20, 30, 3)).save(buffer, "WEBP")
    lossy = buffer.getvalue()[20:]
    large = lossy[:6] + struct.pack("<HH", 16383, 16383) + lossy[10:]
    yield "empty.webp", riff()
    yield "canvas.webp", riff(extended(2**24, 2**24), (b"VP8 ", lossy))
    yield "canvas_alone.webp", riff(extended(10, 10))
    yield "large_bit_stream.webp", riff((b"VP8 ", large))
    yield "large_inside.webp", riff(extended(30, 20), (b"VP8 ", large))
    yield "zero_size.webp", riff((b"VP8 ", lossy[:6] + bytes(4) + lossy[10:]))
    yield "lossless_16384.webp", riff((b"VP8L", b"\x2f" + b"\xff" * 40))
    frame = bytes(6) + (29).to_bytes(3, "little") + (19).to_bytes(3, "little") + bytes(4)
    inner = b"VP8 " + struct.pack("<I", len(large)) + large
    yield "large_in_frame.webp", riff(extended(30, 20, flags=2), (b"ANIM", bytes(6)),
                                      (b"ANMF", frame + inner))
    yield "frames.webp", riff(extended(30, 20, flags=2), (b"ANIM", bytes(6)),
                              *[(b"ANMF", frame)] * 200_000)
    yield "no_frames.webp", riff(extended(30, 20, flags=2), (b"ANIM", bytes(6)))
    yield "too_little_data.webp", riff((b"VP8L", b"\x2f" + struct.pack("<I", 6999 | 6999 << 14)))


def bad_bmp():
    yield "side_65535.bmp", bmp_writer.bmp(65535, 65535, 1, 0, b"")
    yield "zero_size.bmp", bmp_writer.bmp(0, 0, 24, 0, b"")
    yield "most_negative.bmp", bmp_writer.bmp(1, -2**31, 24, 0, b"")
    yield "negative_width.bmp", bmp_writer.bmp(-5, 5, 24, 0, b"")
    yield "bits_0.bmp", bmp_writer.bmp(5, 5, 0, 0, bytes(100))
    yield "bits_255.bmp", bmp_writer.bmp(5, 5, 255, 0, bytes(10_000))
    yield "compression_99.bmp", bmp_writer.bmp(5, 5, 24, 99, bytes(100))
    yield "no_pixels.bmp", bmp_writer.bmp(7000, 7000, 24, 0, b"")
    yield "large_runs.bmp", bmp_writer.bmp(7000, 7000, 8, 1, b"")


def no_pictures():
    yield "empty.png", b""
    yield "text.jpg", b"hello, world\n" * 50
    yield "page.png", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    yield "photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    yield "scan.tiff", b"II*\0\x08\0\0\0\0\0"
    yield "program.png", b"\x7fELF\2\1\1" + bytes(60)
    yield "random.png", random.Random(1).randbytes(4096)
    yield "zeros.png", bytes(4096)


def largest_png():
    for side in (7071, 6400, 5400):
        for name, depth, colour, bytes_of_pixel in (
                ("grey", 8, png_writer.GREY, 1), ("grey_alpha", 8, png_writer.GREY_ALPHA, 2),
                ("rgb", 8, png_writer.RGB, 3), ("rgba", 8, png_writer.RGBA, 4),
                ("rgb_16", 16, png_writer.RGB, 6), ("rgba_16", 16, png_writer.RGBA, 8)):
            yield f"{name}_{side}.png", png_of(side, side, depth, colour,
                                               zeros(side * (side * bytes_of_pixel + 1)))
    yield "row.png", png_of(50_000_000, 1, 8, png_writer.RGB, zeros(150_000_001))
    yield "column.png", png_of(1, 50_000_000, 8, png_writer.RGB, zeros(200_000_000))


def largest_jpeg():
    turned = {"exif": b"Exif\0\0" + pictures.exif(6, "<")}
    for width, height in ((8160, 6120), (6000, 4000)):
        photo = photograph(width, height)
        for name, options in (("photo", {"quality": 90}), ("turned", {"quality": 90, **turned}),
                              ("fine", {"quality": 95, "subsampling": 0}),
                              ("progressive", {"progressive": True}),
                              ("progressive_fine", {"progressive": True, "subsampling": 0})):
            yield f"{name}_{width}x{height}.jpg", jpeg_of(photo, **options)
    yield "grey.jpg", jpeg_of(Image.new("L", (7071, 7071)))
    yield "row.jpg", jpeg_of(Image.new("RGB", (65500, 763)))
    yield "column_turned.jpg", jpeg_of(Image.new("RGB", (763, 65500)), **turned)


def largest_webp():
    for side in (7071, 5700, 4900):
        yield f"lossy_{side}.webp", webp_of(Image.new("RGB", (side, side)))
        yield f"lossless_{side}.webp", webp_of(Image.new("RGB", (side, side)), lossless=True)
        clear = Image.new("RGBA", (side, side), (1, 2, 3, 0))
        yield f"clear_{side}.webp", webp_of(clear, lossless=True, exact=True)
    yield "photo.webp", webp_of(photograph(6000, 4000), quality=80)
    for name, width, height, frames in long_webps():
        yield f"long_{name}.webp", webp_animation(width, height, frames)


def largest_gif():
    yield "still.gif", gif_of(7071, 7071, gif_frame_of(bilevel(7071, 7071)) + b";")
    yield "small_frame.gif", gif_of(7071, 7071, gif_frame(1, 1) + b";")
    for name, width, height, body in long_gifs():
        yield f"long_{name}.gif", gif_of(width, height, body + b";")


def largest_bmp():
    row = b"\xff\1" * 27 + b"\xba\1\0\0"
    palette = bytes(1024)
    yield "runs.bmp", bmp_writer.bmp(7071, 7071, 8, 1, row * 7071 + b"\0\1", palette=palette)
    yield "bilevel.bmp", bmp_writer.bmp(7071, 7071, 1, 0, bytes(888 * 7071), palette=bytes(8))
    yield "16_bits.bmp", bmp_writer.bmp(5600, 5600, 16, 0, bytes(2 * 5600 * 5600))
    yield "32_bits.bmp", bmp_writer.bmp(4000, 4000, 32, 0, bytes(4 * 4000 * 4000))


def processor_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(program, request):
    """(answer, seconds, peak bytes) of a fresh process of one thread. The seconds are the
    processor's: how busy the machine is otherwise must not matter."""
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(f"{request}\n".encode())
    process.stdin.flush()
    answer = process.stdout.readline()
    seconds = processor_seconds(process)
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024
    answer += process.communicate()[0]
    assert process.returncode == 0, f"{request}: exit {process.returncode}"
    return answer, seconds, peak


def faults(program, path, refused):
    requests = ["pixels" if refused else "patches 1120"]
    requests += ["video"] * (path.suffix in (".gif", ".webp"))
    for request in requests:
        answer, seconds, peak = run(program, f"{request} {path}")
        lines = answer.split(b"\n")
        error = answer.startswith(b"error " + bytes(path)) and len(lines) == 2
        # An animation can be damaged behind the frame that is its picture.
        if refused and not error and not (request == "pixels" and "long_" in path.name):
            yield f"{path.name}: {request}: {answer[:200]!r}, expected an error that names the file"
        if seconds > (SECONDS if error else SECONDS_OF_GOOD) or peak > BYTES:
            yield f"{path.name}: {request}: {seconds:.2f} s, {peak / 2**20:.0f} MiB"
        if "-v" in sys.argv:
            print(f"{path.name:40} {request:12} {seconds:5.2f} s {peak / 2**20:4.0f} MiB  "
                  f"{answer[:150].splitlines()[0]!r}", flush=True)


BAD = (bad_png, bad_jpeg, bad_gif, bad_webp, bad_bmp, no_pictures)
SOUND = (heavy_but_good_png, largest_png, largest_jpeg, largest_webp, largest_gif, largest_bmp)


def main():
    program = sys.argv[1]
    chosen = [name for name in sys.argv[2:] if name != "-v"]  # of the functions above
    wrong, count = [], 0
    with tempfile.TemporaryDirectory(prefix="octavo-bad-") as folder:
        for kind in BAD + SOUND:
            if chosen and kind.__name__ not in chosen:
                continue
            for name, data in kind():
                path = Path(folder) / f"{kind.__name__}_{name}"
                path.write_bytes(data)
                wrong += faults(program, path, refused=kind in BAD)
                path.unlink()
                count += 1
    assert not wrong, "\n".join(wrong)
    print(f"{count} files: refused within {SECONDS:g} s or decoded, within {BYTES / 2**20:.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
