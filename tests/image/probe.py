"""Asks the image_probe program, whose path is the first argument of every parity script."""

import subprocess
import sys

import numpy as np


class Refused(Exception):
    """The program's error message."""


class Probe:
    def __init__(self, program=None):
        self.process = subprocess.Popen([program or sys.argv[1]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, request):
        self.process.stdin.write(f"{request}\n".encode())
        self.process.stdin.flush()
        return self.line()

    def line(self):
        line = self.process.stdout.readline().decode().rstrip("\n")
        if line.startswith("error "):
            raise Refused(line.removeprefix("error "))
        return line.split()

    def bytes(self, count):
        return np.frombuffer(self.process.stdout.read(count), np.uint8)

    def pixels(self, path):
        """uint8 [height, width, 3]"""
        width, height, size = map(int, self.ask(f"pixels {path}"))
        return self.bytes(size).reshape(height, width, 3)

    def patches(self, path, budget):
        """(columns, rows, uint8 [rows * columns, values])"""
        columns, rows, size = map(int, self.ask(f"patches {budget} {path}"))
        return columns, rows, self.bytes(size).reshape(rows * columns, -1)

    def video(self, path):
        """[("mm:ss", seconds, uint8 [height, width, 3])]"""
        frames = []
        for _ in range(int(self.ask(f"video {path}")[0])):
            time, seconds, *sizes = self.line()
            width, height, size = map(int, sizes)
            frames.append((time, float(seconds), self.bytes(size).reshape(height, width, 3)))
        return frames
