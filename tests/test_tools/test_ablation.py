"""The ablation: every row trains, is tested and stands in the table, once."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from cdvd_mm.registry import MODELS
from cdvd_mm.reports.ablation import find_rows, run_ablation

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs/ablation'
SMALL = {'model.generator.mid_channels': 4, 'train_dataloader.batch_size': 1,
         'train_dataloader.num_workers': 0, 'val_dataloader.num_workers': 0,
         'test_dataloader.num_workers': 0, 'train_cfg.total_batch_size': 1,
         'train_dataloader.persistent_workers': False, 'val_dataloader.persistent_workers': False,
         'test_dataloader.persistent_workers': False,
         'train_dataloader.dataset.pipeline.0.crop_size': 32}
ROWS = [str(CONFIGS / f'{name}.py') for name in ('no_flow', 'single_frame')]


@pytest.fixture(autouse=True)
def default_scope():
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        yield


def tool():
    spec = importlib.util.spec_from_file_location('ablation', ROOT / 'tools/ablation.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_are_found_by_name(capsys, tmp_path):
    assert find_rows(['no_flow', 'a/b.py']) == [ROWS[0], 'a/b.py']
    assert set(ROWS) < set(find_rows([]))
    assert tool().main(['nothing', '--out', str(tmp_path / 'out')]) == 1
    assert "no row 'nothing'; choose from blurred_flow, no_flow, " in capsys.readouterr().err


def test_rows_are_trained_tested_and_not_done_twice(make_dataset, tmp_path, capsys):
    data = make_dataset(train={'a': 8}, test={'b': 8})
    arguments = [*ROWS, '--data', str(data), '--out', str(tmp_path / 'out'), '--iters', '2',
                 '--cfg-options', *(f'{key}={value}' for key, value in SMALL.items())]
    assert tool().main([*arguments, '--seeds', '0']) == 0
    first = capsys.readouterr().out
    assert (tmp_path / 'out/table.md').read_text() in first
    assert '| no_flow | Without flow' in first and '| single_frame | A single frame' in first
    assert 'max_iters 2, total_batch_size 1, batch_size 1, patch 32' in first
    before = (tmp_path / 'out/no_flow-0/result.json').stat().st_mtime_ns
    assert tool().main([*arguments, '--seeds', '0', '1']) == 0
    assert (tmp_path / 'out/no_flow-0/result.json').stat().st_mtime_ns == before
    assert 'spread: best minus worst seed' in capsys.readouterr().out
    assert tool().main([*arguments, '--seeds', '1', '0', '--repeat', 'no_flow']) == 0
    table = json.loads((tmp_path / 'out/table.json').read_text())
    assert [len(row['runs']) for row in table['rows']] == [2, 1]
    arguments[arguments.index('--iters') + 1] = '3'
    assert tool().main(arguments) == 1
    assert 'no_flow-0 was trained with other settings (it differs in model, param_scheduler, ' \
        'train_cfg)' in capsys.readouterr().err


def test_unequal_budgets_and_missing_weights_are_refused(make_dataset, tmp_path):
    data = str(make_dataset(train={'a': 8}, test={'b': 8}))
    other = tmp_path / 'longer.py'
    other.write_text(f"_base_ = '{ROWS[0]}'\ntrain_cfg = dict(max_iters=3000)\n")
    with pytest.raises(ValueError, match='the rows must have one budget, but have no_flow: '):
        run_ablation([ROWS[0], str(other)], str(tmp_path / 'out'), data)
    with pytest.raises(ValueError, match=r"repeat names \['stages_2'\], but the rows are"):
        run_ablation(ROWS, str(tmp_path / 'out'), data, repeat=['stages_2'])
    with pytest.raises(FileNotFoundError, match='pwcnet.py starts from checkpoints/pwcnet.pth'):
        run_ablation([str(CONFIGS / 'pwcnet.py')], str(tmp_path / 'out'), data)


def test_flow_of_blurred_frames_is_that_of_the_first_stage():
    """In the first stage both are the same; in the second the flows are those of the first."""
    settings = dict(mid_channels=4, num_blocks=1, predict_residual=True)
    plain = MODELS.build(dict(type='CDVDNet', **settings)).eval()
    variant = MODELS.build(dict(type='CDVDNet', flow_source='blurred', **settings)).eval()
    variant.load_state_dict(plain.state_dict())
    clip = torch.rand(1, 5, 3, 64, 64)
    with torch.no_grad():
        expected, details = plain.forward_details(clip), variant.forward_details(clip)
        torch.testing.assert_close(details[0].restored, expected[0].restored)
        torch.testing.assert_close(details[1].flows, details[0].flows[:, 1:2], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(variant(clip), details[1].restored[:, 0])
        assert not torch.allclose(details[1].flows, expected[1].flows, atol=1e-3)


def test_single_frame_sees_one_frame():
    net = MODELS.build(dict(type='SingleFrameCDVDNet', mid_channels=4, num_blocks=1)).eval()
    clip = torch.rand(1, 5, 3, 16, 16)
    other = torch.rand(1, 5, 3, 16, 16)
    other[:, 2] = clip[:, 2]
    torch.testing.assert_close(net(clip), net(other))
    assert net.reconstruction.in_block[0][0].in_channels == 3


def test_single_frame_starts_at_the_blurred_frame_as_the_other_rows_do():
    net = MODELS.build(dict(type='SingleFrameCDVDNet', mid_channels=4, num_blocks=1,
                            predict_residual=True))
    net.init_weights()
    clip = torch.rand(1, 5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(net(clip), clip[:, 2])


def test_rows_get_equal_processor_time(make_dataset, tmp_path, capsys):
    data = make_dataset(train={'a': 8}, test={'b': 8})
    arguments = [ROWS[0], '--data', str(data), '--out', str(tmp_path / 'out'), '--seconds', '0.5',
                 '--cfg-options', *(f'{key}={value}' for key, value in SMALL.items())]
    assert tool().main(arguments) == 0
    assert 'seconds of processor time 0.5' in capsys.readouterr().out
    measured = json.loads((tmp_path / 'out/no_flow.steps').read_text())
    run = json.loads((tmp_path / 'out/no_flow-0/result.json').read_text())
    assert 0 < measured < 0.5 and run['iterations'] == round(0.5 / measured)
    assert tool().main(arguments) == 0  # measured once: the row is taken over
