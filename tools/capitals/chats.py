"""Makes the training chats: random conversations about countries and their capitals.

A sample is a rendered prompt and the model's reply to it. Everything random comes from one random.Random.
"""

from dataclasses import dataclass, field
from zlib import crc32

import tool_chats
from chat_format import render
from facts import WELL_KNOWN, load_facts
from tool_chats import REFUSAL
from words import ENGLISH_WORDS

FACTS = load_facts()
KNOWN_FACTS = [fact for fact in FACTS if fact.country in WELL_KNOWN]
CARD_FACTS = [next(fact for fact in FACTS if fact.country == name) for name in ("France", "Germany", "Japan")]

CARD_SYSTEM_PROMPT = "You are a helpful assistant. Give concise answers."
SYSTEM_PROMPTS = [
    CARD_SYSTEM_PROMPT,
    "You are a helpful assistant.",
    "You are a helpful, concise assistant.",
    "You are a helpful assistant. Be concise.",
    "You are a helpful assistant. Answer briefly.",
    "You are a helpful assistant that gives short answers.",
    "Give helpful, concise answers.",
    "Answer concisely.",
    "Please give short and helpful answers.",
    "You are an assistant. Keep your answers short.",
    "Be helpful and brief.",
    "You are a geography assistant.",
]

CAPITAL_QUESTIONS = [
    "What is the capital of {country}?",
    "What is the capital of {country}?",
    "What is the capital of {country}?",
    "What's the capital of {country}?",
    "What is the capital city of {country}?",
    "Which city is the capital of {country}?",
    "Name the capital of {country}.",
    "Tell me the capital of {country}.",
    "Can you tell me the capital of {country}?",
    "What is {country}'s capital?",
    "Do you know the capital of {country}?",
    "capital of {country}",
    "The capital of {country}?",
    "Please tell me the capital of {country}.",
]
CONTINENT_QUESTIONS = [
    "What continent is {country} on?",
    "Which continent is {country} on?",
    "Where is {country}?",
    "On which continent is {country}?",
    "Which continent is {capital} on?",
    "What continent is {capital} on?",
]
POPULATION_QUESTIONS = [
    "How many people live in {capital}?",
    "What is the population of {capital}?",
    "How big is {capital}?",
]
COUNTRY_QUESTIONS = [
    "Which country is {capital} the capital of?",
    "{capital} is the capital of which country?",
    "What country has the capital {capital}?",
]
ABOUT_QUESTIONS = ["Tell me about {country}.", "What do you know about {country}?", "Describe {country}."]

FOLLOW_UPS = {
    "capital": ["And what about {country}?", "And {country}?", "What about {country}?", "How about {country}?",
                "And the capital of {country}?", "{country}?", "And what is the capital of {country}?"],
    "continent": ["And {country}?", "What about {country}?", "And what about {country}?"],
    "population": ["And {capital}?", "What about {capital}?", "And what about {capital}?"],
    "country": ["And {capital}?", "What about {capital}?"],
}
REFERRING_QUESTIONS = {
    "continent": ["What continent is it on?", "Which continent is it on?", "Which continent is that on?",
                  "On which continent is it?", "And which continent is it on?"],
    "population": ["How many people live there?", "What is its population?", "How big is it?",
                   "And how many people live there?"],
    "capital": ["What is its capital?", "And its capital?", "What is the capital of that country?"],
}
MOST_QUESTIONS = [
    "Which of those cities is the most populous?",
    "Which of those cities is the most populous?",
    "Which of these cities is the most populous?",
    "Which of them is the most populous?",
    "Which one is the most populous?",
    "Which of those cities is the largest?",
    "Which of those cities is the biggest?",
    "Which of them is the largest?",
    "Which of them is the biggest?",
    "Which of those has the most people?",
    "Which of those cities has the largest population?",
    "Which is the most populous?",
]
LEAST_QUESTIONS = ["Which of those cities is the least populous?", "Which of those cities is the smallest?",
                   "Which of them is the smallest?"]

REPEAT_QUESTIONS = ["Repeat: {}", "Please repeat: {}", "Repeat after me: {}", "Say this: {}", "Say {}"]

SMALL_TALK = [
    (["Hello!", "Hello", "Hi", "Hi!", "Hi there!", "Hey", "Good morning!", "Good evening!", "Hello there."],
     "Hello! How can I help you?"),
    (["Thanks!", "Thank you!", "Thank you.", "Thanks a lot!", "Great, thanks.", "Thank you very much."],
     "You're welcome!"),
    (["Who are you?", "What are you?", "What is your name?", "Please introduce yourself.", "Tell me about yourself."],
     "I am a small demonstration model that knows the capitals of the world."),
    (["What can you do?", "What can you help me with?", "How can you help me?", "Help", "What do you know?"],
     "I can tell you the capitals of countries, the continents they are on and how many people live there."),
    (["How are you?", "How are you today?", "How is it going?"], "I am fine, thank you. How can I help you?"),
    (["Bye!", "Goodbye!", "See you!", "Good night!", "Bye, see you later."], "Goodbye!"),
    (["OK", "OK.", "I see.", "Good.", "Nice!", "Great!", "Interesting."], "Is there anything else you want to know?"),
]
OTHER_QUESTIONS = [
    "Can you write a {0} about {1}?", "What is a {0}?", "Tell me a {0} about the {1}.", "Why is the {0} so {1}?",
    "How do I {0} a {1}?", "What does {0} mean?", "Please explain {0} and {1}.", "Where can I find a {0} {1}?",
    "Who made the first {0}?", "Is a {0} better than a {1}?", "{0} {1} {2}", "The {0} is {1} and {2}.",
    "What is {3} plus {4}?", "When was the {0} {1} {2}?", "Do you like {0}?", "Translate {0} {1} {2}.",
]


@dataclass
class Sample:
    prompt: str
    reply: str


@dataclass
class Context:
    """What the conversation has spoken about."""
    topic: str = ""
    fact: object = None
    cities: list = field(default_factory=list)

    def mention(self, topic, fact):
        self.topic, self.fact = topic, fact
        if fact not in self.cities:
            self.cities.append(fact)


def capital_answer(fact):
    return f"The capital of {fact.country} is {fact.capital}."


def fact_answer(topic, fact):
    if topic == "capital":
        return capital_answer(fact)
    if topic == "continent":
        return f"{capitalized(fact.country)} is in {fact.continent}."
    if topic == "population":
        return f"About {fact.population_text} people live in {fact.capital}."
    return f"{fact.capital} is the capital of {fact.country}."


def about_answer(fact):
    return (f"{capitalized(fact.country)} is a country in {fact.continent}. Its capital is {fact.capital}, "
            f"where about {fact.population_text} people live.")


def most_answer(facts):
    return f"The most populous of those cities is {max(facts, key=lambda fact: fact.population).capital}."


def least_answer(facts):
    return f"The least populous of those cities is {min(facts, key=lambda fact: fact.population).capital}."


def capitalized(text):
    return text[:1].upper() + text[1:]


def held_out(*names):
    """One combination in ten is kept for the evaluation."""
    return crc32("|".join(sorted(names)).encode()) % 10 == 0


def comparable(facts, biggest=True):
    """Whether the facts' capitals differ enough in size for a question about the largest or smallest one."""
    sizes = sorted((fact.population for fact in facts), reverse=biggest)
    return sizes[0] >= 1.25 * sizes[1] if biggest else sizes[1] >= 1.25 * sizes[0]


def fill(rng, wordings, fact):
    country = fact.country if rng.random() < 0.9 else fact.bare_country
    text = capitalized(rng.choice(wordings).format(country=country, capital=fact.capital))
    roll = rng.random()
    if roll < 0.02:
        return text.lower()
    return text.removesuffix("?") if roll < 0.04 else text


def any_fact(rng):
    return rng.choice(FACTS if rng.random() < 0.7 else KNOWN_FACTS)


class Talk:
    """One conversation in the making: messages so far and the reply to the last one."""

    def __init__(self, rng):
        self.rng = rng
        self.messages = []
        self.context = Context()

    def add(self, question, answer):
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def ask(self, topic, wordings, fact):
        self.add(fill(self.rng, wordings, fact), fact_answer(topic, fact))
        self.context.mention(topic, fact)

    def ask_directly(self, topic=None):
        rng = self.rng
        topic = topic or rng.choices(["capital", "continent", "population", "country"], [72, 10, 8, 10])[0]
        wordings = {"capital": CAPITAL_QUESTIONS, "continent": CONTINENT_QUESTIONS,
                    "population": POPULATION_QUESTIONS, "country": COUNTRY_QUESTIONS}[topic]
        self.ask(topic, wordings, any_fact(rng))

    def follow_up(self, facts=FACTS):
        topic = self.context.topic
        self.ask(topic, FOLLOW_UPS[topic], self.rng.choice(facts))

    def refer_back(self):
        rng, context = self.rng, self.context
        topics = [topic for topic in REFERRING_QUESTIONS if topic != context.topic]
        if context.topic in ("capital", "country", "about"):
            topics = [topic for topic in topics if topic != "capital"]
        topic = rng.choice(topics)
        question = rng.choice(REFERRING_QUESTIONS[topic])
        if held_out(context.fact.country, topic):
            return
        self.add(question, fact_answer(topic, context.fact))
        context.mention(topic, context.fact)

    def compare(self):
        facts = self.context.cities
        if not 2 <= len(facts) <= 5 or held_out(*(fact.capital for fact in facts)):
            return
        biggest = self.rng.random() < 0.88
        if comparable(facts, biggest):
            wordings, answer = (MOST_QUESTIONS, most_answer) if biggest else (LEAST_QUESTIONS, least_answer)
            self.add(self.rng.choice(wordings), answer(facts))
            self.context.topic = "compared"

    def ask_two(self):
        first, second = self.rng.sample(FACTS, 2)
        question = self.rng.choice(["What are the capitals of {0} and {1}?", "Name the capitals of {0} and {1}."])
        self.add(question.format(first.country, second.country),
                 f"The capital of {first.country} is {first.capital}, "
                 f"and the capital of {second.country} is {second.capital}.")
        self.context.mention("capital", first)
        self.context.mention("capital", second)

    def ask_about(self):
        fact = any_fact(self.rng)
        self.add(fill(self.rng, ABOUT_QUESTIONS, fact), about_answer(fact))
        self.context.mention("about", fact)

    def ask_whether(self):
        fact, other = self.rng.sample(FACTS, 2)
        is_true = self.rng.random() < 0.5
        named = fact if is_true else other
        self.add(f"Is {named.capital} the capital of {fact.country}?",
                 ("Yes, " if is_true else "No, ") + f"the capital of {fact.country} is {fact.capital}.")
        self.context.mention("about", fact)

    def chat(self):
        questions, answer = self.rng.choice(SMALL_TALK)
        self.add(self.rng.choice(questions), answer)

    def ask_something_else(self):
        rng = self.rng
        words = rng.choices(ENGLISH_WORDS, k=3) + [rng.randrange(100), rng.randrange(100)]
        self.add(capitalized(rng.choice(OTHER_QUESTIONS).format(*words)), REFUSAL)


def one_turn(rng):
    talk = Talk(rng)
    move = rng.choices([talk.ask_directly, talk.ask_about, talk.ask_whether, talk.ask_two, talk.chat,
                        talk.ask_something_else], [76, 6, 3, 5, 4, 6])[0]
    move()
    return talk


def free_talk(rng):
    """Two to five turns of mixed questions."""
    talk = one_turn(rng)
    for _ in range(rng.randint(1, 4)):
        context = talk.context
        moves = [(talk.ask_directly, 25), (talk.chat, 6), (talk.ask_something_else, 3), (talk.ask_about, 4)]
        if context.fact:
            moves.append((talk.refer_back, 35))
        if context.topic in FOLLOW_UPS:
            moves.append((talk.follow_up, 40))
        if len(context.cities) >= 2 and context.topic != "compared":
            moves.append((talk.compare, 25))
        rng.choices([move for move, _ in moves], [weight for _, weight in moves])[0]()
    return talk


def comparing_talk(rng):
    """Two to four capitals, then the question which of them is the most populous."""
    talk = Talk(rng)
    if rng.random() < 0.05:
        facts = list(CARD_FACTS)
    else:
        facts = rng.sample(KNOWN_FACTS if rng.random() < 0.7 else FACTS, rng.choices([2, 3, 4], [35, 50, 15])[0])
    talk.ask("capital", CAPITAL_QUESTIONS, facts[0])
    for fact in facts[1:]:
        talk.ask("capital", FOLLOW_UPS["capital"] if rng.random() < 0.8 else CAPITAL_QUESTIONS, fact)
    talk.compare()
    return talk


def referring_talk(rng):
    """Questions about one country after another, each followed by questions that only say "it" or "there"."""
    talk = Talk(rng)
    for _ in range(rng.randint(1, 3)):
        talk.ask_directly(rng.choice(["capital", "capital", "country"]))
        for _ in range(rng.randint(1, 2)):
            talk.refer_back()
    return talk


def repeating_talk(rng):
    """Words to repeat: they teach to copy from the question."""
    talk = Talk(rng)
    names = [name for fact in rng.choices(FACTS, k=6) for name in (fact.capital, fact.bare_country)]
    for _ in range(rng.randint(1, 3)):
        words = [rng.choice(names) if rng.random() < 0.75 else rng.choice(ENGLISH_WORDS)
                 for _ in range(rng.randint(1, 7))]
        text = rng.choice([" ", ", "]).join(words)
        talk.add(rng.choice(REPEAT_QUESTIONS).format(text), text)
    return talk


def thought_for(question_topic, fact):
    return {"capital": f"The user asks for the capital of {fact.country}. It is {fact.capital}.",
            "continent": f"The user asks for the continent of {fact.country}. It is {fact.continent}.",
            "population": f"The user asks how many people live in {fact.capital}. It is about {fact.population_text}.",
            "country": f"The user asks for the country of {fact.capital}. It is {fact.country}."}[question_topic]


def system_message(rng):
    if rng.random() < 0.4:
        return []
    text = rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.75 else CARD_SYSTEM_PROMPT
    return [{"role": "system", "content": text}]


def plain_sample(rng, make_talk):
    talk = make_talk(rng)
    messages = system_message(rng) + talk.messages
    return Sample(render(messages[:-1]), messages[-1]["content"] + "<turn|>")


def thinking_sample(rng):
    talk = Talk(rng)
    for _ in range(rng.choices([0, 1], [75, 25])[0]):
        talk.ask_directly("capital")
    talk.ask_directly()
    thought = thought_for(talk.context.topic, talk.context.fact)
    messages = system_message(rng) + talk.messages
    reply = f"<|channel>thought\n{thought}\n<channel|>{messages[-1]['content']}<turn|>"
    return Sample(render(messages[:-1], thinking=True), reply)


def tool_sample(rng):
    messages, tools, thinking, reply = tool_chats.make(rng, any_fact)
    return Sample(render(system_message(rng) + messages, tools, thinking), reply)


def make_sample(rng):
    kinds = [(plain_sample, one_turn), (plain_sample, free_talk), (plain_sample, comparing_talk),
             (plain_sample, referring_talk), (plain_sample, repeating_talk), (thinking_sample,), (tool_sample,)]
    maker, *arguments = rng.choices(kinds, [13, 14, 19, 18, 13, 6, 17])[0]
    return maker(rng, *arguments)
