"""Process groups on machines without a GPU."""

import os

import torch
import torch.distributed as dist


def init_cpu_process_group(launcher: str) -> None:
    """Start a gloo process group where MMEngine would ask for a GPU.

    MMEngine's launcher calls ``torch.cuda.set_device`` first thing; with a
    process group in place it takes that one instead. Does nothing with
    ``launcher='none'``, with a GPU, or when a group exists already.

    Args:
        launcher (str): 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.

    Raises:
        ValueError: The launcher's environment variables are missing.
    """
    if launcher == 'none' or torch.cuda.is_available() or dist.is_initialized():
        return
    names = {
        'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
        'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
        'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
    }
    if launcher not in names:
        raise ValueError(f'launcher must be one of none, {", ".join(names)}, but is {launcher!r}')
    missing = [name for name in names[launcher] if name not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher {launcher} needs the environment variable(s) {", ".join(missing)}; '
            'start through tools/dist_train.sh, tools/dist_test.sh or tools/slurm_*.sh')
    rank, world_size, local_rank = (os.environ[name] for name in names[launcher])
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ.update(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=local_rank)
    dist.init_process_group('gloo')
