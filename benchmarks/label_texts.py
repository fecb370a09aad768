"""Texts as vectors: the mean of WordLlama's static token vectors, 256 numbers a text.

No network, no torch, no GPU: the vectors and the tokenizer's rules are two files in the wheel.
Miller 2024, "WordLlama: recycled token embeddings from large language models".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.label_files import package_file, version
from lamplighter.arrays import F32
from lamplighter.errors import PoolFileError

#: Texts that are tokenised at a time.
_BATCH = 512


def embed(texts: Sequence[str]) -> F32:
    """Give each text the mean of its token vectors: (n, 256) float32; a text without tokens is all 0.

    O(tokens * 256) time; each row depends on its text alone.
    """
    table = read_safetensor(package_file("wordllama", "weights/l2_supercat_256.safetensors"))
    rules = package_file("wordllama", "tokenizers/l2_supercat_tokenizer_config.json")
    version("tokenizers")  # says what to do where it is missing
    tokenizer: Any = import_module("tokenizers").Tokenizer.from_file(str(rules))
    vectors = np.zeros((len(texts), table.shape[1]), np.float32)
    for start in range(0, len(texts), _BATCH):
        batch = tokenizer.encode_batch(list(texts[start : start + _BATCH]), add_special_tokens=False)
        for row, tokens in enumerate(batch, start):
            if tokens.ids:
                vectors[row] = table[tokens.ids].mean(axis=0)
    return vectors


def read_safetensor(path: Path) -> F32:
    """Read the only tensor of a safetensors file as float32.

    The format: eight bytes with the length of a JSON header, the header, the numbers.
    """
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    if len(header) != 1:
        raise PoolFileError(f"{path} holds {len(header)} tensors, {sorted(header)}; one is read")
    ((_, about),) = header.items()
    kinds = {"F16": "<f2", "F32": "<f4"}
    if about["dtype"] not in kinds:
        raise PoolFileError(f"{path} holds {about['dtype']}; {' and '.join(kinds)} can be read")
    start, stop = (8 + size + offset for offset in about["data_offsets"])
    numbers = np.frombuffer(data[start:stop], kinds[about["dtype"]])
    return numbers.reshape(about["shape"]).astype(np.float32)
