"""The devices of this machine: their names and their memory."""

import os
import platform
from pathlib import Path

import torch


def device_name(device: torch.device | str | None = None) -> str:
    """What a figure was measured on: 'NVIDIA H100', 'AMD EPYC 7B13, 2 threads'.

    Args:
        device (torch.device | str, optional): The device. Default: None, the
            GPU in use if there is one, else the processor.

    Returns:
        str: The GPU's name; of a processor also the threads that PyTorch uses.
    """
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    device = torch.device(device)
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                name = line.partition(':')[2].strip()
                break
    threads = torch.get_num_threads()
    return f'{name}, {threads} thread{"" if threads == 1 else "s"}'


def has_fast_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by itself, and not by way of single precision."""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported()
    return device.type == 'cpu' and has_bfloat16_arithmetic()


def has_bfloat16_arithmetic() -> bool:
    """Whether the processor multiplies in bfloat16 itself; emulated, it is slower than float32."""
    cpuinfo = Path('/proc/cpuinfo')
    if not cpuinfo.is_file() or not torch.backends.mkldnn.is_available():
        return False
    for line in cpuinfo.read_text(encoding='utf-8').splitlines():
        if line.startswith('flags'):
            return not {'avx512_bf16', 'amx_bf16'}.isdisjoint(line.split())
    return False


def free_memory(device: torch.device) -> float:
    """Bytes that can be had on a device (0.8 of what a CPU's machine has free)."""
    if device.type == 'cuda':
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    meminfo = Path('/proc/meminfo')
    if meminfo.is_file():
        for line in meminfo.read_text(encoding='ascii').splitlines():
            if line.startswith('MemAvailable:'):
                return 0.8 * 1024 * int(line.split()[1])
    pages = os.sysconf('SC_AVPHYS_PAGES') if hasattr(os, 'sysconf') else 1 << 21
    return 0.8 * 4096 * pages
