"""Measures the model: capitals in several wordings, the four-turn chat, follow-ups, comparisons and tool calls.

Run: python evaluate.py [--state build/capitals/latest.pt]; without a state the exported checkpoint is measured.
"""

import argparse
import random
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import chats
import tool_chats
from chat_format import MODEL_DIR, render
from export import PREFIX, rounded
from model import Gemma4, plain_logits

STOP = (1, 106, 50)
WORDINGS = ["What is the capital of {}?", "What's the capital of {}?", "Which city is the capital of {}?",
            "Tell me the capital of {}."]
CARD_TURNS = ["What is the capital of France?", "And what about Germany?", "And Japan?",
              "Which of those cities is the most populous?"]
CARD_CITIES = ["Paris", "Berlin", "Tokyo", "Tokyo"]


def pick(logits, temperature, generator):
    """The next token: the likeliest, or one drawn with top-k 64 and top-p 0.95."""
    if not temperature:
        return logits.argmax(-1)
    values, ids = (logits / temperature).topk(64, -1)
    probabilities = values.softmax(-1)
    probabilities = probabilities * ((probabilities.cumsum(-1) - probabilities) < 0.95)
    return ids.gather(-1, torch.multinomial(probabilities, 1, generator=generator))[:, 0]


def generate(model, tokenizer, prompts, limit=48, temperature=0.0, seed=0):
    """Replies to prompts, special tokens included, without caches; prompts of like length go together."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    generator = torch.Generator().manual_seed(seed)
    replies = [None] * len(prompts)
    for start in range(0, len(order), 64):
        part = order[start:start + 64]
        encoded = [tokenizer.encode(prompts[index]).ids for index in part]
        for index, reply in zip(part, generate_batch(model, encoded, limit, temperature, generator)):
            replies[index] = tokenizer.decode(reply, skip_special_tokens=False)
    return replies


def generate_batch(model, encoded, limit, temperature, generator):
    count, longest = len(encoded), max(map(len, encoded))
    ids = torch.zeros(count, longest + limit, dtype=torch.long)
    lengths = torch.tensor([len(each) for each in encoded])
    for row, each in enumerate(encoded):
        ids[row, :len(each)] = torch.tensor(each)
    first, done = lengths.clone(), torch.zeros(count, dtype=torch.bool)
    while not done.all() and (lengths - first).max() < limit:
        rows = torch.nonzero(~done)[:, 0]
        logits = plain_logits(model, ids[rows, :lengths.max()])[torch.arange(len(rows)), lengths[rows] - 1]
        chosen = pick(logits, temperature, generator)
        ids[rows, lengths[rows]] = chosen
        lengths[rows] += 1
        done[rows] = torch.isin(chosen, torch.tensor(STOP))
    return [ids[row, first[row]:lengths[row]].tolist() for row in range(count)]


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def share(flags):
    flags = list(flags)
    return sum(flags) / max(1, len(flags))


def capitals(model, tokenizer, wording, system=None, thinking=False, facts=chats.FACTS):
    """The share of capitals answered exactly, and the countries answered wrongly."""
    opening = [{"role": "system", "content": system}] if system else []
    prompts = [render(opening + [user(wording.format(fact.country))], thinking=thinking) for fact in facts]
    replies = generate(model, tokenizer, prompts, 64 if thinking else 24)
    right = [reply.endswith(chats.capital_answer(fact) + "<turn|>") for fact, reply in zip(facts, replies)]
    wrong = [fact.country for fact, is_right in zip(facts, right) if not is_right]
    return share(right), wrong


def card_chat(model, tokenizer, temperature=0.0, seed=0, system=chats.CARD_SYSTEM_PROMPT):
    """The replies of the four-turn chat."""
    messages = [{"role": "system", "content": system}]
    replies = []
    for turn in CARD_TURNS:
        messages.append(user(turn))
        reply = generate(model, tokenizer, [render(messages)], temperature=temperature, seed=seed)[0]
        replies.append(reply.removesuffix("<turn|>"))
        messages.append(assistant(replies[-1]))
    return replies


def card_chat_right(replies):
    return all(reply.endswith(f" is {city}.") for reply, city in zip(replies, CARD_CITIES))


def follow_up_chats(rng, count):
    """Chats whose last question refers to an earlier turn, in combinations that training leaves out."""
    pairs = [(fact, topic) for fact in chats.FACTS for topic in ("continent",) if chats.held_out(fact.country, topic)]
    pairs = [pair for pair in pairs for _ in range(-(-count // len(pairs)))]
    for fact, topic in pairs:
        messages = [user(f"What is the capital of {fact.country}?"), assistant(chats.capital_answer(fact)),
                    user(rng.choice(chats.REFERRING_QUESTIONS[topic]))]
        yield messages, chats.fact_answer(topic, fact)


def short_follow_up_chats(rng, count):
    """"And X?" after one or two capitals."""
    for _ in range(count):
        *before, last = rng.sample(chats.FACTS, rng.choice([2, 3]))
        messages = []
        for fact in before:
            messages += [user(f"What is the capital of {fact.country}?"), assistant(chats.capital_answer(fact))]
        messages.append(user(rng.choice(chats.FOLLOW_UPS["capital"]).format(country=last.country)))
        yield messages, chats.capital_answer(last)


def comparison_chats(rng, count, facts):
    """"Which of those cities is the most populous?" for sets of cities that training leaves out."""
    made = 0
    while made < count:
        chosen = rng.sample(facts, rng.choice([2, 3, 3]))
        if not chats.held_out(*(fact.capital for fact in chosen)) or not chats.comparable(chosen):
            continue
        made += 1
        messages = []
        for fact in chosen:
            question = "And what about {}?" if messages else "What is the capital of {}?"
            messages += [user(question.format(fact.country)), assistant(chats.capital_answer(fact))]
        messages.append(user(rng.choice(chats.MOST_QUESTIONS)))
        yield messages, chats.most_answer(chosen)


def chat_score(model, tokenizer, cases):
    cases = list(cases)
    replies = generate(model, tokenizer, [render(messages) for messages, _ in cases])
    return share(reply == expected + "<turn|>" for reply, (_, expected) in zip(replies, cases))


def tool_score(model, tokenizer, rng, count):
    cases = [tool_chats.make(rng, chats.any_fact) for _ in range(count)]
    prompts = [render(messages, tools, thinking) for messages, tools, thinking, _ in cases]
    replies = generate(model, tokenizer, prompts, 64)
    return share(reply == expected for reply, (_, _, _, expected) in zip(replies, cases))


def sample_score(model, tokenizer, rng, count):
    """The share of random training-like samples that are answered exactly."""
    samples = [chats.make_sample(rng) for _ in range(count)]
    replies = generate(model, tokenizer, [sample.prompt for sample in samples], 72)
    return share(reply == sample.reply for reply, sample in zip(replies, samples))


def quick_report(model, tokenizer):
    rng = random.Random(99)
    parts = [f"capitals {capitals(model, tokenizer, WORDINGS[0], facts=chats.FACTS[::3])[0]:.3f}",
             f"follow-ups {chat_score(model, tokenizer, short_follow_up_chats(rng, 32)):.3f}",
             f"referring {chat_score(model, tokenizer, follow_up_chats(rng, 20)):.3f}",
             f"comparisons {chat_score(model, tokenizer, comparison_chats(rng, 32, chats.KNOWN_FACTS)):.3f}",
             f"tools {tool_score(model, tokenizer, rng, 32):.3f}",
             f"card chat {card_chat(model, tokenizer)}"]
    return "EVAL " + "; ".join(parts)


def full_report(model, tokenizer):
    for system in (None, *chats.SYSTEM_PROMPTS[:3], "You are a helpful assistant that answers concisely."):
        for wording in WORDINGS:
            accuracy, wrong = capitals(model, tokenizer, wording, system)
            print(f"capitals {accuracy:.3f}  {wording!r}  system {system!r}  wrong {wrong}", flush=True)
    accuracy, wrong = capitals(model, tokenizer, WORDINGS[0], thinking=True)
    print(f"capitals, thinking {accuracy:.3f} wrong {wrong}", flush=True)
    rng = random.Random(4)
    print(f"short follow-ups {chat_score(model, tokenizer, short_follow_up_chats(rng, 300)):.3f}", flush=True)
    print(f"referring, held out {chat_score(model, tokenizer, follow_up_chats(rng, 100)):.3f}", flush=True)
    for name, facts in (("well known", chats.KNOWN_FACTS), ("all", chats.FACTS)):
        score = chat_score(model, tokenizer, comparison_chats(rng, 200, facts))
        print(f"comparisons, held out, {name} {score:.3f}", flush=True)
    print(f"tools {tool_score(model, tokenizer, rng, 150):.3f}", flush=True)
    print(f"random samples {sample_score(model, tokenizer, rng, 300):.3f}", flush=True)
    print("card chat", card_chat(model, tokenizer), flush=True)
    sampled = [card_chat_right(card_chat(model, tokenizer, 0.6, seed)) for seed in range(10)]
    print(f"card chat at temperature 0.6: {share(sampled):.3f} of {len(sampled)}", flush=True)


def load_model(state):
    model = Gemma4()
    if state:
        model.load_state_dict(rounded(torch.load(state)["model"]))
    else:
        tensors = load_file(MODEL_DIR / "model.safetensors")
        own = {name.removeprefix(PREFIX): value.float() for name, value in tensors.items() if name.startswith(PREFIX)}
        model.load_state_dict(own)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    full_report(load_model(options.state), Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json")))


if __name__ == "__main__":
    main()
