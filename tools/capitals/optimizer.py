"""Muon for the matrices and Adam for everything else.

Muon learns rare associations, such as the capital of a country, from far fewer examples than Adam does.
"""

import torch


def orthogonalized(matrix, steps=5):
    """About the nearest semi-orthogonal matrix, by Newton-Schulz iterations. matrix: [..., rows, columns]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.transpose(-1, -2) if tall else matrix
    x = x / (x.norm(dim=(-1, -2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(-1, -2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(-1, -2) if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                average = self.state[parameter].setdefault("average", torch.zeros_like(parameter))
                average.lerp_(parameter.grad, 1 - group["momentum"])
                direction = orthogonalized(torch.lerp(parameter.grad, average, group["momentum"]))
                scale = max(1.0, parameter.shape[-2] / parameter.shape[-1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(direction, alpha=-group["lr"] * scale)


def make_optimizers(model, matrix_rate, other_rate):
    """The two optimizers; the router's small matrices and the embedding go to Adam."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim >= 2 and "embed" not in name and "router" not in name
        (matrices if is_matrix else others).append(parameter)
    scales = [p for p in others if p.ndim == 1 and p.mean() > 2]  # router.scale starts at sqrt(hidden)
    rest = [p for p in others if not any(p is scale for scale in scales)]
    groups = [{"params": rest}, {"params": scales, "lr": other_rate * 8}]
    return [Muon(matrices, matrix_rate, weight_decay=0.1),
            torch.optim.AdamW(groups, other_rate, betas=(0.9, 0.98), weight_decay=0.0)]
