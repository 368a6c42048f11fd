import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cdvd_mm.ops import sliced_attention


class LargestTensor(TorchDispatchMode):
    """Notes the elements of the largest result of any operator."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for value in output if isinstance(output, tuple) else (output, ):
            if isinstance(value, torch.Tensor):
                self.largest = max(self.largest, value.numel())
        return output


def tokens(device='cpu', dtype=torch.double, **options):
    return (torch.randn(2, size, 8, device=device, dtype=dtype, **options) for size in (7, 9, 9))


@pytest.mark.parametrize('max_weights', [1, 40, 10**9])
def test_by_definition(max_weights, device):
    query, key, value = tokens(device)
    expected = torch.softmax(0.3 * query @ key.transpose(1, 2), dim=-1) @ value
    found = sliced_attention(query, key, value, 0.3, max_weights)
    torch.testing.assert_close(found, expected)


def test_gradients():
    leaves = tuple(x.requires_grad_() for x in tokens())
    assert torch.autograd.gradcheck(lambda *x: sliced_attention(*x, 0.3, max_weights=40), leaves)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_the_matrix_is_never_there(dtype, device):
    """4,000 tokens: all weights would be 16 million numbers, everything else is 64,000."""
    query, key, value = (torch.randn(1, 4000, 16, device=device, dtype=dtype) for _ in range(3))
    with torch.no_grad(), LargestTensor() as mode:
        sliced_attention(query, key, value, 0.25, max_weights=400_000)
    assert mode.largest <= 400_000
