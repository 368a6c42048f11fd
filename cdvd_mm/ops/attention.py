"""Attention of many tokens to all of them, without the matrix of their weights."""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_WEIGHTS = 2**25
"""Attention weights (128 MiB in float32) that may exist at one time."""


def sliced_attention(query: Tensor, key: Tensor, value: Tensor, scale: float,
                     max_weights: int = MAX_WEIGHTS) -> Tensor:
    """Compute ``softmax(scale query key^T) value``, some queries at a time.

    PyTorch's ``scaled_dot_product_attention`` runs each slice. Its kernels for
    CPUs (float32 too) and GPUs hold no weights at all; where none of them
    takes these tensors, it falls back to matrix products, and the slices bound
    what those hold. A backward pass after such a fallback keeps the weights of
    all slices.

    Args:
        query (Tensor): (n, q, c).
        key (Tensor): (n, k, c).
        value (Tensor): (n, k, d).
        scale (float): factor in front of the scalar products.
        max_weights (int): of a slice: n times its queries times k. At least
            one query is computed at a time.

    Returns:
        Tensor: (n, q, d).
    """
    # the kernels without a matrix want a dimension of heads
    query, key, value = (tokens.unsqueeze(1) for tokens in (query, key, value))
    rows = max(1, max_weights // max(1, key.shape[0] * key.shape[2]))
    outputs = [F.scaled_dot_product_attention(part, key, value, scale=scale)
               for part in query.split(rows, dim=2)]
    return torch.cat(outputs, dim=2).squeeze(1)
