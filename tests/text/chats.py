"""Random conversations for the parity tests: tools, reasoning, media, parallel calls, odd white space, numbers."""

import random

WORDS = ["a", "Paris", "naïve", "日本語", "привет", "🙂", "x < y & z > 'w'", "\"quoted\"", "{braces}", "a=b", "end.",
         "<|channel>thought\nhidden<channel|>", "<channel|>", "C:\\new", "\u00a0", "\u3000", "\x1c", "\u200b", "ǅ", "ß", "İ"]
SPACES = ["", " ", "  ", "\n", "\n\n", "\t", " \r\n", "\u2003", "\x1f", "\x85"]
NUMBERS = [0, 1, -7, 20, 2**31, 2**63 - 1, 2**64 - 1, -2**63, 1.5, 20.0, -0.0, 1e-05, 1e-4, 1e16, 123456789012345.6, 1e22, 0.1, 5e-324]
NAMES = ["get_weather", "search", "mcp.files:read-file", "f", "Zoo", "zoo"]
KEYS = ["city", "n", "Ünit", "B", "a", "b", "A", "list", "opt", "type", "description", "items", "x y", "日"]
TYPES = ["string", "integer", "number", "boolean", "object", "array", "STRING", ["string", "null"]]


def text(rng):
    words = (rng.choice(WORDS) for _ in range(rng.randint(0, 6)))
    return rng.choice(SPACES) + "".join(word + rng.choice(SPACES) for word in words)


def value(rng, depth=0):
    kind = rng.random()
    if kind < 0.35 or depth > 3:
        return text(rng)
    if kind < 0.6:
        return rng.choice(NUMBERS)
    if kind < 0.75:
        return rng.choice([True, False, None])
    if kind < 0.87:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return mapping(rng, depth + 1)


def mapping(rng, depth=0):
    return {rng.choice(KEYS): value(rng, depth) for _ in range(rng.randint(0, 4))}


def schema(rng, depth=0):
    kind = rng.choice(TYPES)
    fields = {"type": kind}
    if rng.random() < 0.6:
        fields["description"] = text(rng)
    if rng.random() < 0.2:
        fields["nullable"] = rng.choice([True, False])
    if kind in ("string", "STRING") and rng.random() < 0.4:
        fields["enum"] = [rng.choice(WORDS) for _ in range(rng.randint(1, 3))]
    if kind == "array" and depth < 3:
        fields["items"] = schema(rng, depth + 1)
    if kind == "object" and depth < 3:
        fields.update(object_fields(rng, depth + 1))
    return fields


def object_fields(rng, depth=0):
    names = rng.sample(KEYS, rng.randint(0, 4))
    fields = {"properties": {name: schema(rng, depth) for name in names}}
    if names and rng.random() < 0.5:
        fields["required"] = names[:rng.randint(1, len(names))]
    return fields


def tool(rng):
    function = {"name": rng.choice(NAMES), "description": text(rng)}
    if rng.random() < 0.85:
        function["parameters"] = {"type": "object", **object_fields(rng)}
    if rng.random() < 0.15:
        function["response"] = {"type": "object", "description": text(rng)}
    return {"type": "function", "function": function}


def content(rng):
    if rng.random() < 0.7:
        return text(rng)
    parts = [{"type": "text", "text": text(rng)}, {"type": "image"}, {"type": "audio"},
             {"type": "image_url", "image_url": {"url": "x"}}, {"type": "video"}]
    return [rng.choice(parts[:1] * 3 + parts) for _ in range(rng.randint(0, 4))]


def assistant(rng, serial):
    message = {"role": "assistant", "content": rng.choice([content(rng), content(rng), None])}
    if rng.random() < 0.4:
        message[rng.choice(["reasoning", "reasoning_content"])] = text(rng)
    calls = [] if rng.random() < 0.5 else [
        {"id": f"c{serial}_{index}", "type": "function",
         "function": {"name": rng.choice(NAMES), "arguments": mapping(rng)}} for index in range(rng.randint(1, 4))]
    if calls:
        message["tool_calls"] = calls
    answers = [{"role": "tool", "tool_call_id": call["id"], "content": rng.choice([text(rng), content(rng), None, mapping(rng), 5])}
               for call in calls if rng.random() < 0.8]
    if calls and not answers and rng.random() < 0.3:
        message["tool_responses"] = [{"name": rng.choice(NAMES), "response": rng.choice([mapping(rng), text(rng)])}]
    return [message, *answers]


def conversation(rng):
    messages = []
    if rng.random() < 0.4:
        messages.append({"role": rng.choice(["system", "developer"]), "content": content(rng)})
    for serial in range(rng.randint(0, 4)):
        messages.append({"role": "user", "content": content(rng)})
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            messages += assistant(rng, serial)
    if rng.random() < 0.08:
        messages.insert(rng.randint(0, len(messages)), {"role": "raise", "content": text(rng)})
    return {
        "messages": messages,
        "tools": [tool(rng) for _ in range(rng.randint(1, 3))] if rng.random() < 0.4 else None,
        "enable_thinking": rng.random() < 0.5,
        "add_generation_prompt": rng.random() < 0.8,
        "extra": {"preserve_thinking": True} if rng.random() < 0.2 else None,
    }


def conversations(seed, count):
    rng = random.Random(seed)
    return [conversation(rng) for _ in range(count)]
