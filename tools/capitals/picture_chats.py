"""Makes chats about pictures of coloured shapes: the prompt's tokens, where its pictures are, and the reply."""

from dataclasses import dataclass

import chats
from chat_format import render
from pictures import draw_picture

BEGIN_OF_IMAGE, IMAGE, END_OF_IMAGE = 2041, 2043, 2045

COLOUR_QUESTIONS = [
    "What colours do you see in the image?",
    "What colors do you see in the image?",
    "What colours do you see in the picture?",
    "What colors do you see in the picture?",
    "Which colours are in the image?",
    "Which colors are in the image?",
    "Which colours are in the picture?",
    "Which colors are in the picture?",
    "What colours do you see?",
    "What colors do you see?",
]


@dataclass
class PictureChat:
    messages: list  # the last one is the reply
    pictures: list  # in the order of the prompt


def listed(words):
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def colour_answer(colours):
    return f"I see {listed(colours)}."


def with_image(text):
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}


def assistant(text):
    return {"role": "assistant", "content": text}


def colour_chat(rng, size, question=None):
    """One question about one picture."""
    picture = draw_picture(rng, size)
    messages = [with_image(question or rng.choice(COLOUR_QUESTIONS)), assistant(colour_answer(picture.colours))]
    return PictureChat(messages, [picture])


def after_system_prompt(rng, size):
    chat = colour_chat(rng, size)
    system = {"role": "system", "content": rng.choice(chats.SYSTEM_PROMPTS)}
    return PictureChat([system, *chat.messages], chat.pictures)


def later_picture(rng, size):
    """A picture after a turn about a capital."""
    talk = chats.Talk(rng)
    talk.ask_directly("capital")
    chat = colour_chat(rng, size)
    return PictureChat(talk.messages + chat.messages, chat.pictures)


def capital_after_picture(rng, size):
    """A question about a capital after one about a picture."""
    talk, chat = chats.Talk(rng), colour_chat(rng, size)
    talk.ask_directly("capital")
    return PictureChat(chat.messages + talk.messages, chat.pictures)


def second_picture(rng, size):
    """A question about each of two pictures."""
    first, second = colour_chat(rng, size), colour_chat(rng, size)
    return PictureChat(first.messages + second.messages, first.pictures + second.pictures)


KINDS = [(colour_chat, 64), (after_system_prompt, 12), (later_picture, 8), (capital_after_picture, 8),
         (second_picture, 8)]


def pick_kind(rng):
    return rng.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0]


def without_picture(rng):
    """The same questions where there is nothing to see."""
    messages = [{"role": "user", "content": rng.choice(COLOUR_QUESTIONS)}]
    return chats.Sample(render(messages), chats.REFUSAL + "<turn|>")


def expand(ids, soft_tokens):
    """Token ids with every image token replaced by the run that stands for a picture."""
    expanded = []
    for token in ids:
        run = [BEGIN_OF_IMAGE] + [IMAGE] * soft_tokens + [END_OF_IMAGE]
        expanded += run if token == IMAGE else [token]
    return expanded


def encode(tokenizer, chat, soft_tokens):
    """The token ids of the prompt and of the reply."""
    prompt = tokenizer.encode(render(chat.messages[:-1])).ids
    reply = tokenizer.encode(chat.messages[-1]["content"] + "<turn|>").ids
    return expand(prompt, soft_tokens), reply
