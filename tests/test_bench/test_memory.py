"""The meter, held to sizes that are known."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from cdvd_mm.bench.memory import peak_memory

MIB = 2**20


def test_tensors_that_are_alive_at_a_time(device):
    x = torch.ones(MIB // 4, device=device)  # 1 MiB

    def run():
        widened = x.expand(10, -1).contiguous()  # 10 MiB
        widened.view(2, -1).mul_(2)  # a view and an operator in place: nothing more
        del widened
        return x + 1  # 1 MiB

    assert peak_memory(run, torch.device(device)) == 10 * MIB
    assert peak_memory(run, torch.device(device), held=[x, x[1:]]) == 11 * MIB


def test_a_training_step(device):
    """The activation that backward needs and the gradients; less with checkpointing."""
    blocks = nn.Sequential(*(
        nn.Sequential(*(nn.Sequential(nn.Linear(256, 256, bias=False), nn.Sigmoid())
                        for _ in range(4))) for _ in range(3))).to(device)
    x = torch.rand(4096, 256, device=device)  # 4 MiB, as every activation

    def step(call):
        call(x).sum().backward()
        blocks.zero_grad()

    def checkpointed(x):
        for block in blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return x

    step(blocks)  # what a library takes once
    whole = peak_memory(lambda: step(blocks), torch.device(device))
    saving = peak_memory(lambda: step(checkpointed), torch.device(device))
    assert 12 * 4 * MIB < whole < 16 * 4 * MIB  # all activations and what is on its way
    assert 6 * 4 * MIB < saving < 10 * 4 * MIB  # of every block one, and a block's


def test_nothing_is_metered_afterwards():
    device = torch.device('cpu')
    assert peak_memory(lambda: None, device) == 0
    torch.ones(MIB)
    assert peak_memory(lambda: torch.ones(8), device) == 32
