#!/usr/bin/env python3
"""Kills conversions at random moments: nothing that looks finished may be left, a rerun must succeed.

  kill_convert.py OCTAVO [--source DIR] [--rounds N] [--seed N]
"""

import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-q", "--q-bits", "8", "--q-mxfp", "--q-recipe", "unsloth", "--quiet", "--threads", "1"]


def convert(octavo, source, out):
    return subprocess.Popen([octavo, "convert", "-i", source, "-o", out, *FLAGS],
                            stderr=subprocess.PIPE)


def finish(octavo, source, out):
    process = convert(octavo, source, out)
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"conversion failed: {errors.decode()}")
    return {path.name: path.read_bytes() for path in out.iterdir()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octavo")
    parser.add_argument("--source", type=pathlib.Path, default=ROOT / "models" / "capitals")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="octavo-kill-") as scratch:
        scratch = pathlib.Path(scratch)
        start = time.monotonic()
        whole = finish(options.octavo, options.source, scratch / "whole")
        duration = time.monotonic() - start
        killed = 0
        for _ in range(options.rounds):
            out = scratch / "out"
            process = convert(options.octavo, options.source, out)
            time.sleep(rng.uniform(0, duration))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == 0:  # it was faster than the signal
                if {path.name for path in out.iterdir()} != whole.keys():
                    sys.exit("a finished conversion lacks files")
                for path in out.iterdir():
                    path.unlink()
                out.rmdir()
                continue
            killed += 1
            if out.exists() and {p.name: p.read_bytes() for p in out.iterdir()} != whole:
                sys.exit("a killed conversion left a folder under the output's name")
            if out.exists():  # killed after the rename: complete, and checked above
                for path in out.iterdir():
                    path.unlink()
                out.rmdir()
        if killed == 0:
            sys.exit("no conversion was killed: give a larger --source")
        if finish(options.octavo, options.source, scratch / "out") != whole:
            sys.exit("the rerun differs from an undisturbed conversion")
        left = {path.name for path in scratch.iterdir()} - {"whole", "out"}
        if left:
            sys.exit(f"the rerun left {sorted(left)} behind")
    print(f"{killed} of {options.rounds} conversions killed; nothing half-finished, rerun identical")


if __name__ == "__main__":
    main()
