import os
import platform
from pathlib import Path

import pytest
import torch

from cdvd_mm.system import device_name, free_memory


def test_processor_is_named_with_its_threads(monkeypatch):
    for threads, words in ((1, '1 thread'), (3, '3 threads')):
        monkeypatch.setattr(torch, 'get_num_threads', lambda threads=threads: threads)
        name, _, last = device_name('cpu').rpartition(', ')
        assert last == words
    model = [line.split(':', 1)[1].strip()
             for line in Path('/proc/cpuinfo').read_text().splitlines()
             if line.startswith('model name')] if os.path.isfile('/proc/cpuinfo') else []
    assert name == (model[0] if model else platform.processor() or platform.machine())


def test_memory_and_name_of_a_device(device):
    assert 1e6 < free_memory(torch.device(device)) < 1e14
    assert device_name(device)
    if device == 'cuda':
        assert device_name() == torch.cuda.get_device_name()


def test_unknown_device():
    with pytest.raises(RuntimeError, match='magic'):
        device_name('magic')
