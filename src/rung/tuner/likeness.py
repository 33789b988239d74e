"""How alike prompts are: by the hashed words, sizes and kinds that routing goes by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rung.outcome_files import traits_of
from rung.tuner.outcomes import Floats


def likeness(prompts: Sequence[str]) -> Floats:
    """The cosine of each pair's traits (N x N, 1 on the diagonal), rare traits counting more.

    A trait weighs the logarithm of how many times fewer prompts than all have it, as in document
    search; one that all have weighs nothing. Prompts without any weight are like none.
    """
    traits = [traits_of(prompt) for prompt in prompts]
    known = {trait: place for place, trait in enumerate(sorted({t for one in traits for t in one}))}
    there = np.zeros((len(prompts), len(known)), np.float32)
    for row, one in zip(there, traits, strict=True):
        row[[known[trait] for trait in one]] = 1
    weighed = there * np.log(len(prompts) / np.maximum(there.sum(axis=0), 1))
    lengths = np.linalg.norm(weighed, axis=1, keepdims=True)
    unit = weighed / np.where(lengths > 0, lengths, 1)
    alike: Floats = (unit @ unit.T).astype(np.float64)
    np.fill_diagonal(alike, 1.0)
    return alike
