"""Deterministic multilingual text for the parity tests: scripts, emoji, code, white space, random code points."""

import random

SCRIPTS = [
    (0x20, 0x7E), (0xA1, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x2000, 0x206F),
    (0x2190, 0x22FF), (0x2500, 0x25FF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xE0FF),
    (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF)]

SENTENCES = [
    "The capital of France is Paris.", "Die Hauptstadt von Österreich ist Wien; das weiß doch jeder!",
    "¿Cuál es la capital de España? Madrid, señor.", "Столица России — Москва.", "日本の首都は東京です。",
    "中国的首都是北京。", "대한민국의 수도는 서울입니다.", "عاصمة مصر هي القاهرة.", "בירת ישראל היא ירושלים.",
    "भारत की राजधानी नई दिल्ली है।", "เมืองหลวงของไทยคือกรุงเทพฯ", "Η πρωτεύουσα της Ελλάδας είναι η Αθήνα.",
    "Thủ đô của Việt Nam là Hà Nội.", "İstanbul değil, Ankara!", "Zażółć gęślą jaźń 🦆",
    "def f(x):\n\treturn {'a': x[1:], \"b\": None}  # ▁ marks\n", "#include <vector>\nint main() { return 0x7f; }\n",
    "SELECT * FROM t WHERE a <= 3.14159 AND b <> 'x';", "{\"k\": [1, -2.5e-03, true, null]}",
    "👩‍👩‍👧‍👦 🏳️‍🌈 ☕️ 🇫🇷", "e\u0301 \u1e69 s\u0323\u0307 \ufb01 \u2126 \u200b\u200d\ufeff", "<table><td>x</td></table></s>",
    "<|turn>user\nHi<turn|>\n<|channel>thought\n<channel|>", "<|tool_call>call:f{a:<|\"|>x<|\"|>}<tool_call|>",
    "<bos><eos><|image|><|im", "<|turn >", "<unused7>", "\x00\x01\x1b\x7f\u0085\u2028"]


def random_script(rng):
    low, high = rng.choice(SCRIPTS)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 30)))


def white_space(rng):
    return rng.choice([" ", "\n", "\t", "\r\n", "\u00a0", "\u3000"]) * rng.randint(1, 40)


def any_code_points(rng):
    points = (rng.randint(0, 0x10FFFF) for _ in range(rng.randint(1, 20)))
    return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def piece(rng):
    kind = rng.random()
    if kind < 0.55:
        return rng.choice(SENTENCES) + " "
    if kind < 0.75:
        return random_script(rng)
    if kind < 0.85:
        return white_space(rng)
    if kind < 0.95:
        return any_code_points(rng)
    return str(rng.randint(0, 10 ** rng.randint(1, 30)))


def documents(seed, total_bytes, document_bytes=4000):
    """Texts of about `document_bytes` each, at least `total_bytes` of UTF-8 together."""
    rng = random.Random(seed)
    written = 0
    while written < total_bytes:
        text = ""
        while len(text.encode()) < document_bytes:
            text += piece(rng)
        written += len(text.encode())
        yield text


def random_bytes(seed, count):
    """Byte strings that are mostly not UTF-8."""
    rng = random.Random(seed)
    for _ in range(count):
        yield bytes(rng.choice([rng.randint(0, 255), rng.randint(0x80, 0xBF), rng.randint(0xC0, 0xF7), 0x41])
                    for _ in range(rng.randint(0, 200)))
