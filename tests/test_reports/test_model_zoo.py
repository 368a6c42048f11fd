import pytest
import yaml
from mmengine.config import Config

from cdvd_mm.registry import MODELS
from cdvd_mm.reports.model_zoo import find_published, generate, read_metafiles


def test_committed_files_are_up_to_date(repo_root):
    """Run tools/analysis_tools/generate_model_zoo.py after changing a metafile."""
    assert generate(str(repo_root), check=True) == []


def test_every_model_folder_is_complete(repo_root):
    folders = [path.parent for path in (repo_root / 'configs').glob('*/metafile.yml')]
    assert len(folders) >= 6
    listed = {model['Config'] for content in read_metafiles(str(repo_root)).values()
              for model in content['Models']}
    for folder in folders:
        assert (folder / 'README.md').is_file()
        for config in folder.glob('*.py'):
            assert config.relative_to(repo_root).as_posix() in listed


def test_parameters_are_those_of_the_models(repo_root):
    import torch
    from mmengine.registry import init_default_scope
    init_default_scope('cdvd_mm')
    for content in read_metafiles(str(repo_root)).values():
        for model in content['Models']:
            generator = Config.fromfile(str(repo_root / model['Config'])).model.generator
            with torch.device('meta'):
                network = MODELS.build(generator)
            count = sum(parameter.numel() for parameter in network.parameters())
            assert model['Metadata']['Parameters'] == count, model['Name']
            published = model['Metadata'].get('Published Parameters')
            if published:
                assert count == pytest.approx(published, rel=0.002)  # 5.498 M printed as 5.49


def test_published_numbers_are_found(repo_root, tmp_path):
    found = find_published(str(repo_root / 'configs' / 'cdvd_gopro.py'))
    assert found['macs'] == 357.9e9 and found['results'][0]['PSNR'] == 31.67
    small = find_published(str(repo_root / 'configs' / 'edvr' / 'edvr-deblur_demo.py'))
    assert {result['dataset'] for result in small['results']} == {'GOPRO', 'DVD'}
    assert 'edvr-deblur-l_gopro' in small['form'] and small['parameters'] == 23.6e6
    assert find_published(str(tmp_path / 'my_config.py')) == {}


def test_wrong_metafiles(tmp_path):
    with pytest.raises(FileNotFoundError, match='metafile.yml'):
        read_metafiles(str(tmp_path))
    folder = tmp_path / 'configs' / 'x'
    folder.mkdir(parents=True)
    (folder / 'metafile.yml').write_text(yaml.safe_dump({'Models': []}))
    with pytest.raises(ValueError, match='no Collections'):
        read_metafiles(str(tmp_path))
    (folder / 'metafile.yml').write_text(
        yaml.safe_dump({'Collections': [], 'Models': [{'Name': 'a', 'Config': 'configs/a.py'}]}))
    with pytest.raises(ValueError, match='no config configs/a.py'):
        read_metafiles(str(tmp_path))
