"""Packs sample chats into rows of equal length."""

import random
from dataclasses import dataclass

import torch

from chats import make_sample

TURN, END_OF_TURN, CHANNEL = 105, 106, 100
END_OF_CALL, RESPONSE, END_OF_RESPONSE = 49, 50, 51
PROMPT_WEIGHT, HISTORY_WEIGHT = 0.03, 0.5
POOL = 48


@dataclass
class Batch:
    ids: torch.Tensor
    positions: torch.Tensor
    documents: torch.Tensor
    weights: torch.Tensor  # of each token as a target


def prompt_weights(ids, model_id):
    """Loss weights of a prompt's tokens: the model's earlier turns count, all else hardly does."""
    weights, in_reply, in_response = [], False, False
    for index, token in enumerate(ids):
        if token == RESPONSE:
            in_response = True
        ends_call = token == RESPONSE and ids[index - 1] == END_OF_CALL
        counts = in_reply and (ends_call or not in_response) and token != CHANNEL
        weights.append(HISTORY_WEIGHT if counts else PROMPT_WEIGHT)
        if token == END_OF_RESPONSE:
            in_response = False
        if token == END_OF_TURN:
            in_reply = False
        if index >= 2 and ids[index - 2] == TURN and ids[index - 1] == model_id:
            in_reply = True
    return weights


class Packer:
    """An endless stream of batches."""

    def __init__(self, tokenizer, rows, length, seed):
        self.tokenizer, self.rows, self.length = tokenizer, rows, length
        self.rng = random.Random(seed)
        self.model_id = tokenizer.token_to_id("model")
        self.pool = []

    def encode(self, sample):
        prompt, reply = self.tokenizer.encode(sample.prompt).ids, self.tokenizer.encode(sample.reply).ids
        return prompt + reply, prompt_weights(prompt, self.model_id) + [1.0] * len(reply)

    def refill(self):
        while len(self.pool) < POOL:
            document = self.encode(make_sample(self.rng))
            if len(document[0]) <= self.length:
                self.pool.append(document)

    def row(self):
        """One row: the oldest waiting document, then always the longest that still fits."""
        self.refill()
        chosen, room = [self.pool.pop(0)], self.length
        room -= len(chosen[0][0])
        while fitting := [document for document in self.pool if len(document[0]) <= room]:
            best = max(fitting, key=lambda document: len(document[0]))
            self.pool.remove(best)
            self.refill()
            chosen.append(best)
            room -= len(best[0])
        return chosen

    def next(self):
        shape = (self.rows, self.length)
        batch = Batch(torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long),
                      torch.full(shape, -1), torch.zeros(shape))
        for row in range(self.rows):
            start = 0
            for number, (ids, weights) in enumerate(self.row()):
                span = slice(start, start + len(ids))
                batch.ids[row, span] = torch.tensor(ids)
                batch.positions[row, span] = torch.arange(len(ids))
                batch.documents[row, span] = number
                batch.weights[row, span] = torch.tensor([0.0] + weights[1:])
                start += len(ids)
        return batch
