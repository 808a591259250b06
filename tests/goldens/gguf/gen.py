"""Golden numbers of quantised tensors from the Python package gguf (`pip install gguf`), the reference of llama.cpp.

`python gen.py` writes `quants.safetensors` beside it: for each type `TYPE.packed`, the bytes of two rows of 512 numbers
as u8 [2, n], and `TYPE.numbers`, what they stand for, f32 [2, 512]. Types that gguf can quantise are made of random
numbers; the K-quants are random bytes with finite factors, so that every bit of a block is used.
"""

from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.torch import save_file

MADE = [Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0]
# Where the half-precision factors of a block are.
FACTORS = {Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208]}

def packed(kind: Q, rng: np.random.Generator) -> np.ndarray:
    """Bytes of [2, 512] numbers."""
    if kind in MADE:
        numbers = rng.standard_normal((2, 512)).astype(np.float32)
        return gguf.quants.quantize(numbers, kind).reshape(2, -1).view(np.uint8)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (2, 512 // block, size), dtype=np.uint8)
    for place in FACTORS[kind]:
        factor = (rng.standard_normal((2, 512 // block)) * 0.01).astype(np.float16)
        blocks[:, :, place : place + 2] = factor.view(np.uint8).reshape(2, 512 // block, 2)
    return blocks.reshape(2, -1)

def numbers(kind: Q, data: np.ndarray) -> np.ndarray:
    """What the bytes stand for."""
    if kind == Q.F16:
        return data.view(np.float16).astype(np.float32)
    return gguf.quants.dequantize(data, kind).astype(np.float32)

def main() -> None:
    rng, tensors = np.random.default_rng(5), {}
    for kind in MADE + list(FACTORS):
        data = np.ascontiguousarray(packed(kind, rng))
        tensors[f"{kind.name}.packed"] = torch.tensor(data)
        tensors[f"{kind.name}.numbers"] = torch.tensor(numbers(kind, data)).reshape(2, 512)
    save_file(tensors, Path(__file__).resolve().parent / "quants.safetensors")

if __name__ == "__main__":
    main()
