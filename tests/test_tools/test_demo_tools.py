"""The demo's command lines: results on stdout, one message and exit code 1 for what goes wrong."""

import importlib.util

import pytest

pytest.importorskip('skimage', reason='the photographs come with scikit-image')


@pytest.fixture
def tool(repo_root):
    def load(name):
        spec = importlib.util.spec_from_file_location('tool', repo_root / 'tools' / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main
    return load


def test_make_demo_data(tool, tmp_path, capsys):
    main = tool('dataset_converters/make_demo_data.py')
    args = [str(tmp_path / 'demo'), '--train-scenes', '1', '--test-scenes', '1', '--seed', '3']
    assert main(args) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / 'demo')
    assert (tmp_path / 'demo/test/coffee_00/blur/000010.png').is_file()


@pytest.mark.parametrize('args, message', [
    (['--train-scenes', '0'], 'error: train_scenes must be at least 1, found 0'),
    ([], 'is not demo data')])
def test_make_demo_data_refuses(tool, tmp_path, capsys, args, message):
    (tmp_path / 'mine').touch()
    assert tool('dataset_converters/make_demo_data.py')([str(tmp_path), *args]) == 1
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out


def test_plot_comparison_refuses(tool, tmp_path, capsys, repo_root):
    main = tool('analysis_tools/plot_comparison.py')
    config = str(repo_root / 'configs/cdvd_demo.py')
    assert main([config, str(tmp_path / 'none.pth'), str(tmp_path), '--device', 'cpu']) == 1
    assert 'none.pth' in capsys.readouterr().err
