"""Trains the tokenizer and writes tokenizer.json and tokenizer_config.json.

The structure is Gemma 4's: a BPE over whole texts with "▁" for the space, byte fallback and no word pre-split. Merges are
learned inside words only, so they never join two words. The vocabulary's order:

    0-106     special tokens and unused slots
    107-137   runs of 1 to 31 newlines
    138-167   runs of 2 to 31 spaces
    168-237   the 70 commonest characters
    238-493   bytes
    494-...   other characters, then merges
    last 7    media tokens
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from chat_format import MODEL_DIR
from chats import FACTS, make_sample
from words import ENGLISH_WORDS

VOCABULARY_SIZE = 2048
SPACE = "▁"
FIXED_SPECIALS = {
    0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>",
    49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>",
    101: "<channel|>", 105: "<|turn>", 106: "<turn|>"}
MEDIA_SPECIALS = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"]
SPECIAL_PATTERN = re.compile(r"<\|?[a-z_\"]+\|?>|<\|\"\|>")
WORD_PATTERN = SPACE + r"?\p{L}+|[^\p{L}]"
LONGEST_RUN = 31


def corpus(count, seed=7):
    """Plain text between special tokens, of sample chats and of the word list."""
    rng = random.Random(seed)
    for _ in range(count):
        sample = make_sample(rng)
        yield from filter(None, SPECIAL_PATTERN.split(sample.prompt + sample.reply))
    names = [name for fact in FACTS for name in (fact.country, fact.bare_country, fact.capital)]
    for name in names:
        yield from [f" {name} "] * 400 + [name] * 40
    for word in ENGLISH_WORDS:
        yield from [f" {word} "] * 10
        yield from [word.capitalize()] * 2


def learn(texts, size):
    """The merges of a plain BPE, in order, and the characters by frequency."""
    texts = [text.replace(" ", SPACE) for text in texts]
    characters = Counter("".join(texts))
    alphabet = set(characters) | {chr(code) for code in range(33, 127)} | {SPACE}
    alphabet -= {"\n"}
    ordered = sorted(alphabet, key=lambda c: (-characters[c], c))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=size + len(ordered) + 1, initial_alphabet=ordered, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]["merges"], ordered


def run_merges(character):
    """All ways to join two runs of one character, shorter results first."""
    for total in range(2, LONGEST_RUN + 1):
        for left in range(1, total):
            yield [character * left, character * (total - left)]


def build_vocabulary(characters, merges):
    tokens = [FIXED_SPECIALS.get(index, f"<unused{index}>") for index in range(107)]
    tokens += ["\n" * length for length in range(1, LONGEST_RUN + 1)]
    tokens += [SPACE * length for length in range(2, LONGEST_RUN + 1)]
    tokens += characters[:70]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += characters[70:]
    tokens += ["".join(pair) for pair in merges]
    tokens += MEDIA_SPECIALS
    assert len(set(tokens)) == len(tokens) == VOCABULARY_SIZE, (len(set(tokens)), len(tokens))
    assert tokens[107] == "\n" and tokens[238] == "<0x00>"
    return {token: index for index, token in enumerate(tokens)}


def added_token(index, content):
    return {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True}


def tokenizer_json(vocabulary, merges):
    specials = list(FIXED_SPECIALS.values()) + MEDIA_SPECIALS
    replace = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added_token(vocabulary[token], token) for token in specials],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                          "invert": False},
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {}},
        "decoder": {"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocabulary, "merges": merges}}


def tokenizer_config():
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left", "clean_up_tokenization_spaces": False,
        "model_max_length": 4096, "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>",
        "unk_token": "<unk>", "mask_token": "<mask>", "sot_token": "<|turn>", "eot_token": "<turn|>",
        "soc_token": "<|channel>", "eoc_token": "<channel|>", "think_token": "<|think|>", "escape_token": '<|"|>',
        "std_token": "<|tool>", "etd_token": "<tool|>", "stc_token": "<|tool_call>", "etc_token": "<tool_call|>",
        "str_token": "<|tool_response>", "etr_token": "<tool_response|>", "boi_token": "<|image>",
        "eoi_token": "<image|>", "image_token": "<|image|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
        "audio_token": "<|audio|>"}


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=30000, help="chats to learn from")
    options = parser.parse_args()
    texts = list(corpus(options.samples))
    merges, characters = learn(texts, VOCABULARY_SIZE)
    room = VOCABULARY_SIZE - 107 - (2 * LONGEST_RUN - 1) - 256 - len(characters) - len(MEDIA_SPECIALS)
    assert len(merges) >= room, (len(merges), room)
    merges = merges[:room]
    vocabulary = build_vocabulary(characters, merges)
    runs = [*run_merges("\n"), *run_merges(SPACE)]
    write_json(MODEL_DIR / "tokenizer.json", tokenizer_json(vocabulary, runs + merges))
    write_json(MODEL_DIR / "tokenizer_config.json", tokenizer_config())


if __name__ == "__main__":
    main()
