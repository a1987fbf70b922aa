"""Octavo's token ids against the `tokenizers` package. Run: parity_tokenizer.py TEXT_PROBE FOLDER"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

import corpus

CORPUS_BYTES = 1_200_000
RANDOM_STRINGS = 2000


def probe(program, folder, texts):
    """(ids, decoded bytes) of every text."""
    frames = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
    with tempfile.TemporaryFile() as source:
        source.write(frames)
        source.seek(0)
        output = subprocess.run([program, "tokenizer", folder], stdin=source, capture_output=True, check=True).stdout
    position = 0
    for _ in texts:
        line_end = output.index(b"\n", position)
        ids = [int(word) for word in output[position:line_end].split()]
        size_end = output.index(b"\n", line_end + 1)
        size = int(output[line_end + 1:size_end])
        yield ids, output[size_end + 1:size_end + 1 + size]
        position = size_end + 1 + size


def main():
    program, folder = sys.argv[1:3]
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    whole = [text.encode() for text in corpus.documents(1, CORPUS_BYTES)]
    texts = whole + list(corpus.random_bytes(2, RANDOM_STRINGS))
    failures = tokens = 0
    for text, (ids, decoded) in zip(texts, probe(program, folder, texts), strict=True):
        clean = text.decode(errors="replace")
        expected = tokenizer.encode(clean, add_special_tokens=False).ids
        tokens += len(expected)
        same_text = decoded.decode() == tokenizer.decode(expected, skip_special_tokens=True)
        if ids != expected or not same_text:
            failures += 1
            print(f"FAIL ids {'same' if ids == expected else 'differ'}, text {'same' if same_text else 'differs'}: "
                  f"{clean[:80]!r}")
    print(f"{len(texts)} texts, {sum(map(len, texts))} bytes, {tokens} tokens, {failures} failures")
    return 1 if failures or tokens == 0 else 0


if __name__ == "__main__":
    raise SystemExit(main())
