"""When two sets of logits count as equal."""

import numpy as np

import reference

TOLERANCE = 3e-4


def difference(actual, expected, tolerance=TOLERANCE):
    """None, or one line saying how `actual` differs from `expected`, both [tokens, vocab]."""
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, expected {expected.shape}"
    if not np.isfinite(actual).all():
        return f"{(~np.isfinite(actual)).sum()} logits are not finite"
    error = reference.error(actual, expected)
    if error > tolerance:
        rows = [reference.error(a, b) for a, b in zip(actual, expected)]
        first = next(i for i, row in enumerate(rows) if row > tolerance)
        return f"relative error {error:.2e} > {tolerance:.0e}, first bad position {first}"
    best = expected.argmax(axis=-1)
    for row in np.nonzero(actual.argmax(axis=-1) != best)[0]:
        gap = expected[row, best[row]] - expected[row, actual[row].argmax()]
        worst = np.abs(actual[row] - expected[row]).max()
        if gap > 2 * worst:
            return f"position {row}: another best token, {gap:.2e} below the right one"
    return None


def assert_close(actual, expected, what, tolerance=TOLERANCE):
    message = difference(actual, expected, tolerance)
    assert message is None, f"{what}: {message}"
