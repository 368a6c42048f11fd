"""The inferencer: files and arrays, one result."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('av')

from video_files import images, make_video  # noqa: E402

from cdvd_mm.apis import VideoDeblurInferencer  # noqa: E402
from cdvd_mm.inference.inferencer import FrameInferencer  # noqa: E402


def test_inferencer(tmp_path, model):
    from cdvd_mm.registry import INFERENCERS
    inferencer = INFERENCERS.build({'type': 'VideoDeblurInferencer', 'config': model[0],
                                    'checkpoint': model[1], 'device': 'cpu'})
    source = make_video(tmp_path / 'in.mp4', 5)
    result = inferencer(source, tmp_path / 'out')
    assert result['report'].num_frames == 5 and result['predictions'] == str(tmp_path / 'out')
    frames = inferencer(source)['predictions']
    assert all(np.array_equal(a, b) for a, b in zip(frames, images(tmp_path / 'out')))
    again = list(inferencer.restore(images(source)))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again))
    with pytest.raises(ValueError, match='only for an output'):
        inferencer(source, compare=True)
    with pytest.raises(ValueError, match='frames in memory'):
        inferencer(again, tmp_path / 'x.mp4')


def test_arguments(tmp_path, model):
    with pytest.raises(TypeError, match='prcision'):
        VideoDeblurInferencer(*model, prcision='bf16')
    with pytest.raises(ValueError, match='needs the config'):
        VideoDeblurInferencer(checkpoint=model[1])
    with pytest.raises(FileNotFoundError, match='none.py'):
        VideoDeblurInferencer('none.py', model[1])
    plain, changed = (FrameInferencer(*model, cfg_options=options, device='cpu') for options in (
        None, {'model.generator.num_stages': 1, 'model.generator.num_frames': 3}))
    assert plain.model_id != changed.model_id
    assert changed.restorer.context == 1 and plain.restorer.context == 2
