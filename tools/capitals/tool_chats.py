"""Chats in which the model calls a tool or answers from a tool's response."""

WEATHER_TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City name"}},
                   "required": ["city"]}}}
POPULATION_TOOL = {"type": "function", "function": {
    "name": "get_population", "description": "Get the population of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City name"}},
                   "required": ["city"]}}}
DESCRIPTIONS = {
    "get_weather": ["Get the weather in a city", "Get weather", "Get the current weather", "Returns the weather of a city"],
    "get_population": ["Get the population of a city", "Get population", "Returns how many people live in a city"],
}

QUESTIONS = {
    "get_weather": ["What is the weather in {0}?", "What's the weather in {0}?", "What is the weather like in {0}?",
                    "How is the weather in {0}?", "Tell me the weather in {0}.", "What is the weather in {0} today?"],
    "get_population": ["What is the population of {0}?", "How many people live in {0}?", "Tell me the population of {0}."],
}
PAIR_QUESTIONS = {
    "get_weather": ["What is the weather in {0} and {1}?", "What is the weather in {0} and in {1}?",
                    "How is the weather in {0} and {1}?"],
    "get_population": ["How many people live in {0} and {1}?", "What is the population of {0} and {1}?"],
}
REFUSAL = "I am sorry, I only know about countries and their capitals."
SKIES = ["sunny", "cloudy", "rainy", "windy", "snowy", "clear"]


def declared(rng, tool):
    """The tool with one of several descriptions."""
    function = dict(tool["function"])
    function["description"] = rng.choice(DESCRIPTIONS[function["name"]])
    if rng.random() < 0.3:
        function["parameters"] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": function}


def call_text(name, city):
    return f'<|tool_call>call:{name}{{city:<|"|>{city}<|"|>}}<tool_call|>'


def response_and_phrase(rng, name):
    """What a tool returns, and how the model's answer quotes it."""
    if name == "get_population":
        count = f"{rng.randint(10, 999)}000" if rng.random() < 0.5 else f"{rng.randint(1, 20)}.{rng.randint(1, 9)} million"
        return count, count
    degrees, sky = rng.randint(-9, 39), rng.choice(SKIES)
    text = rng.choice([f"{degrees}C and {sky}", f"{degrees} degrees and {sky}", f"{degrees}C", sky])
    return text, text


def answer(name, places, phrases):
    if name == "get_population":
        parts = [f"{phrase} people live in {place}" for place, phrase in zip(places, phrases)]
        return " and ".join(parts) + "."
    return "It is " + " and ".join(f"{phrase} in {place}" for place, phrase in zip(places, phrases)) + "."


def call_message(name, cities):
    calls = [{"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": {"city": city}}}
             for index, city in enumerate(cities)]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def response_messages(responses):
    return [{"role": "tool", "tool_call_id": f"call_{index}", "content": text} for index, text in enumerate(responses)]


def places_and_question(rng, name, any_fact):
    facts = [any_fact(rng)]
    if rng.random() < 0.35:
        second = any_fact(rng)
        if second != facts[0]:
            facts.append(second)
    cities = [fact.capital for fact in facts]
    if len(facts) == 2:
        return cities, rng.choice(PAIR_QUESTIONS[name]).format(*cities)
    if rng.random() < 0.25:
        return cities, rng.choice(QUESTIONS[name]).format(f"the capital of {facts[0].country}")
    return cities, rng.choice(QUESTIONS[name]).format(*cities)


def earlier_turns(rng, any_fact):
    """Sometimes a question about a capital comes first."""
    if rng.random() < 0.75:
        return []
    fact = any_fact(rng)
    return [{"role": "user", "content": f"What is the capital of {fact.country}?"},
            {"role": "assistant", "content": f"The capital of {fact.country} is {fact.capital}."}]


def make(rng, any_fact):
    """A chat's messages, its tools, whether thinking is on, and the reply."""
    tool = declared(rng, rng.choice([WEATHER_TOOL, WEATHER_TOOL, POPULATION_TOOL]))
    name = tool["function"]["name"]
    messages = earlier_turns(rng, any_fact)
    if rng.random() < 0.15:
        fact = any_fact(rng)
        messages.append({"role": "user", "content": f"What is the capital of {fact.country}?"})
        return messages, [tool], False, f"The capital of {fact.country} is {fact.capital}.<turn|>"
    cities, question = places_and_question(rng, name, any_fact)
    messages.append({"role": "user", "content": question})
    if name == "get_weather" and rng.random() < 0.08:
        return messages[-1:], None, False, REFUSAL + "<turn|>"
    thinking = rng.random() < 0.15
    thought = f"<|channel>thought\nI need to call {name}.\n<channel|>" if thinking else ""
    if rng.random() < 0.25:
        calls = "".join(call_text(name, city) for city in cities)
        return messages, [tool], thinking, thought + calls + "<|tool_response>"
    responses, phrases = zip(*(response_and_phrase(rng, name) for _ in cities))
    messages += [call_message(name, cities), *response_messages(responses)]
    opening = "I have the answer.\n<channel|>" if thinking else ""
    return messages, [tool], thinking, opening + answer(name, cities, phrases) + "<turn|>"
