"""Checkpoints load in PyTorch's safe mode, and nothing else does."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from cdvd_mm.compat import checkpoint


def _content():
    history = HistoryBuffer([1.0, 2.0], [1, 1])  # names its methods when pickled
    return dict(
        state_dict=OrderedDict(w=torch.ones(2)),
        message_hub=dict(log_scalars=OrderedDict(loss=history),
                         runtime_info=OrderedDict(iter=np.int64(3), loss=np.float32(0.5)),
                         array=np.arange(3, dtype=np.uint32)))


def test_mmengine_checkpoint_loads_in_safe_mode(tmp_path, monkeypatch):
    path = tmp_path / 'iter_3.pth'
    torch.save(_content(), path)
    modes = []
    load = torch.load

    def spy(*args, **kwargs):
        modes.append(kwargs.get('weights_only'))
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, 'load', spy)
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert modes == [True]
    assert loaded['message_hub']['runtime_info']['iter'] == 3
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 1.5
    np.testing.assert_array_equal(loaded['message_hub']['array'], [0, 1, 2])


class _Harm:

    def __reduce__(self):
        return os.mkdir, ('harm', )


def test_other_types_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=_Harm()), 'harm.pth')
    with pytest.raises(ValueError, match='harm.pth.*weights_only=True'):
        checkpoint.load_from_local('harm.pth')
    assert not (tmp_path / 'harm').exists()


class _Leak:

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def test_getattr_opens_nothing_but_statistics(tmp_path):
    torch.save(dict(state_dict=_Leak()), tmp_path / 'leak.pth')
    with pytest.raises(ValueError, match='leak.pth.*__init__.*not on the allow-list'):
        checkpoint.load_from_local(tmp_path / 'leak.pth')


def test_truncated_absent_and_foreign_files(tmp_path):
    path = tmp_path / 'iter_3.pth'
    torch.save(_content(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match='cannot read checkpoint .*iter_3.pth'):
        checkpoint.load_from_local(path)
    path.write_text('no checkpoint')
    with pytest.raises(ValueError, match='cannot read checkpoint .*iter_3.pth'):
        checkpoint.load_from_local(path)
    path.write_bytes(b'')
    with pytest.raises(ValueError, match='cannot read checkpoint .*iter_3.pth'):
        checkpoint.load_from_local(path)
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        checkpoint.load_from_local(tmp_path / 'absent.pth')


def test_allow_list_covers_both_names_of_numpy():
    allowed = checkpoint.allowed_types()
    for package in ('numpy.core', 'numpy._core'):
        assert callable(allowed[f'{package}.multiarray._reconstruct'])
    scalar = pickle.dumps(np.float64(1), protocol=2)
    assert any(name.encode() in scalar.replace(b'\n', b'.') for name in allowed)
