"""Checks the chat template against known renders. Run: python tools/capitals/test_chat_template.py"""

from chat_format import render

PROMPT = "<|turn>model\n"
EMPTY_THOUGHT = "<|channel>thought\n<channel|>"


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **extra):
    return {"role": "assistant", "content": content, **extra}


def tool(name, description, parameters=None):
    function = {"name": name, "description": description}
    if parameters is not None:
        function["parameters"] = parameters
    return {"type": "function", "function": function}


def weather_tool():
    return tool("get_weather", "Get weather", {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City name"},
            "days": {"type": "integer", "nullable": True},
            "opt": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "unit": {"type": "string", "enum": ["c", "f"]},
        },
        "required": ["city"],
    })


def pending_call(**extra):
    call_arguments = {"city": "Paris", "n": 3, "ok": True, "l": ["x", 1], "o": {"k": "v"}, "z": None}
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": call_arguments}}
    return assistant(None, tool_calls=[call], **extra)


CALL_TEXT = ('<|tool_call>call:get_weather{city:<|"|>Paris<|"|>,l:[<|"|>x<|"|>,1],n:3,o:{k:<|"|>v<|"|>},'
             'ok:true,z:null}<tool_call|>')
RESPONSE_TEXT = '<|tool_response>response:get_weather{value:<|"|>20C<|"|>}<tool_response|>'
WEATHER_TEXT = (
    '<|tool>declaration:get_weather{description:<|"|>Get weather<|"|>,parameters:{properties:{'
    'city:{description:<|"|>City name<|"|>,type:<|"|>STRING<|"|>},days:{nullable:true,type:<|"|>INTEGER<|"|>},'
    'opt:{properties:{a:{type:<|"|>NUMBER<|"|>}},required:[<|"|>a<|"|>],type:<|"|>OBJECT<|"|>},'
    'tags:{items:{type:<|"|>STRING<|"|>},type:<|"|>ARRAY<|"|>},'
    'unit:{enum:[<|"|>c<|"|>,<|"|>f<|"|>],type:<|"|>STRING<|"|>}},'
    'required:[<|"|>city<|"|>],type:<|"|>OBJECT<|"|>}}<tool|>')

HI = "<bos><|turn>user\nHi<turn|>\n"
TOOL_MESSAGE = {"role": "tool", "tool_call_id": "c1", "content": "20C"}
IMAGE = {"type": "image"}


def text(words):
    return {"type": "text", "text": words}


def cases():
    yield "1 plain", render([user("Hi")]), HI + PROMPT + EMPTY_THOUGHT
    yield ("2 thinking", render([user("Hi")], thinking=True),
           "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nHi<turn|>\n" + PROMPT)
    yield ("3 system, thinking",
           render([{"role": "system", "content": " You are helpful. "}, user(" Hi ")], thinking=True),
           "<bos><|turn>system\n<|think|>\nYou are helpful.<turn|>\n<|turn>user\nHi<turn|>\n" + PROMPT)
    yield ("4 history without thoughts",
           render([user("A"), assistant("<|channel>thought\nxx<channel|> ans "), user("B")]),
           "<bos><|turn>user\nA<turn|>\n<|turn>model\nans<turn|>\n<|turn>user\nB<turn|>\n" + PROMPT + EMPTY_THOUGHT)
    yield ("5 image", render([user([IMAGE, text(" What? ")])]),
           "<bos><|turn>user\n<|image|>What?<turn|>\n" + PROMPT + EMPTY_THOUGHT)
    yield ("6 two images", render([user([text("A "), IMAGE, text(" and "), IMAGE])]),
           "<bos><|turn>user\nA<|image|>and<|image|><turn|>\n" + PROMPT + EMPTY_THOUGHT)
    yield ("7 tool", render([user("Hi")], tools=[weather_tool()]),
           "<bos><|turn>system\n" + WEATHER_TEXT + "<turn|>\n" + HI[5:] + PROMPT + EMPTY_THOUGHT)
    yield ("8 bare tool", render([user("Hi")], tools=[tool("f", "d")]),
           '<bos><|turn>system\n<|tool>declaration:f{description:<|"|>d<|"|>}<tool|><turn|>\n'
           + HI[5:] + PROMPT + EMPTY_THOUGHT)
    yield ("8 empty properties", render([user("Hi")], tools=[tool("f", "d", {"type": "object", "properties": {}})]),
           '<bos><|turn>system\n<|tool>declaration:f{description:<|"|>d<|"|>,parameters:{type:<|"|>OBJECT<|"|>}}<tool|>'
           '<turn|>\n' + HI[5:] + PROMPT + EMPTY_THOUGHT)
    yield ("9 pending call", render([user("Hi"), pending_call()]), HI + PROMPT + CALL_TEXT + "<|tool_response>")
    yield ("10 response", render([user("Hi"), pending_call(), TOOL_MESSAGE]), HI + PROMPT + CALL_TEXT + RESPONSE_TEXT)
    yield ("10 response, thinking", render([user("Hi"), pending_call(), TOOL_MESSAGE], thinking=True),
           "<bos><|turn>system\n<|think|>\n<turn|>\n" + HI[5:] + PROMPT + CALL_TEXT + RESPONSE_TEXT
           + "<|channel>thought\n")
    yield ("11 answer after a response",
           render([user("Hi"), pending_call(), TOOL_MESSAGE, assistant("It is 20C."), user("thx")]),
           HI + PROMPT + CALL_TEXT + RESPONSE_TEXT + "It is 20C.<turn|>\n<|turn>user\nthx<turn|>\n"
           + PROMPT + EMPTY_THOUGHT)
    yield ("12 reasoning", render([user("Hi"), pending_call(reasoning="RR")], thinking=True),
           "<bos><|turn>system\n<|think|>\n<turn|>\n" + HI[5:] + PROMPT + "<|channel>thought\nRR\n<channel|>"
           + CALL_TEXT + "<|tool_response>")
    yield ("13 adjacent answers", render([user("Hi"), assistant("a1"), assistant("a2")], generate=False),
           HI + PROMPT + "a1a2<turn|>\n")


def main():
    failures = 0
    for name, actual, expected in cases():
        if actual != expected:
            failures += 1
            print(f"FAIL {name}\n  expected {expected!r}\n  actual   {actual!r}")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
