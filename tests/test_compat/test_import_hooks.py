"""Importing cdvd_mm: what it makes possible and what it leaves alone."""

import subprocess
import sys
import textwrap


def run(code: str, *paths) -> str:
    """Run ``code`` in a fresh interpreter, with ``paths`` in front of sys.path."""
    head = f'import sys\nsys.path[:0] = {[str(path) for path in paths]}\n'
    done = subprocess.run([sys.executable, '-c', head + textwrap.dedent(code)], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light_and_changes_nothing_for_others():
    run("""
        import sys
        import numpy as np, torch, warnings, importlib.util, os
        before = dict(
            names=set(dir(np)), load=torch.load, set_device=torch.cuda.set_device,
            globals=list(getattr(torch.serialization, 'get_safe_globals', list)()),
            filters=list(warnings.filters), environ=dict(os.environ))
        modules = set(sys.modules)
        import cdvd_mm
        assert before['names'] == set(dir(np))
        assert before['load'] is torch.load and before['set_device'] is torch.cuda.set_device
        assert before['globals'] == list(getattr(torch.serialization, 'get_safe_globals', list)())
        assert before['filters'] == list(warnings.filters)
        assert before['environ'] == dict(os.environ)
        new = {name.partition('.')[0] for name in set(sys.modules) - modules}
        assert not new & {'mmagic', 'mmflow', 'mmcv', 'mmengine', 'torchvision'}, new
        assert importlib.util.find_spec('a_package_that_is_not_there') is None
    """)


def test_parents_import_and_placeholders_are_gone():
    """One interpreter for all of it: importing the parents takes seconds."""
    run("""
        import sys
        import numpy as np
        import cdvd_mm
        from cdvd_mm.compat import placeholders
        dropped = {'bool8', 'int'} - set(vars(np))
        import mmagic.models, mmagic.datasets, mmagic.evaluation, mmagic.apis
        import mmagic.visualization, mmagic.engine, mmflow.models
        left = [m for m, module in sys.modules.items()
                if isinstance(module, placeholders.PlaceholderModule)]
        assert not left, left
        assert not dropped & set(vars(np))
        import builtins
        assert builtins.__import__.__module__ == 'builtins'

        # a placeholder says what is missing once somebody calls for it
        import importlib.util
        if importlib.util.find_spec('diffusers') is None:
            from mmagic.models.editors.animatediff.unet_3d import UNet3DConditionMotionModel
            try:
                UNet3DConditionMotionModel()
            except ImportError as error:
                assert 'diffusers' in str(error), error
            else:
                raise AssertionError('built without diffusers')
            try:
                import diffusers
            except ImportError:
                pass
            else:
                raise AssertionError('diffusers can be imported')
        from mmagic.utils.trans_utils import dtype_range
        assert dtype_range[np.bool_] == (False, True)
    """)


def test_installed_packages_are_used_when_they_work(tmp_path):
    (tmp_path / 'resize_right.py').write_text('def resize(*args): pass')
    broken = tmp_path / 'diffusers'
    broken.mkdir()
    (broken / '__init__.py').write_text('raise RuntimeError("made for another PyTorch")')
    outdated = tmp_path / 'lpips'
    outdated.mkdir()
    (outdated / '__init__.py').write_text('is_real = True')
    run("""
        import cdvd_mm, sys
        import mmagic.models, mmagic.evaluation
        import resize_right
        assert 'diffusers' not in sys.modules
        from mmagic.models.editors.disco_diffusion import guider
        assert guider.resize is resize_right.resize
        assert guider.lpips.is_real and sys.modules['lpips'] is guider.lpips
    """, tmp_path)


def test_compiled_mmcv_and_imported_mmagic_are_left_alone(tmp_path):
    (tmp_path / 'compiled').mkdir()
    run("""
        import sys, types
        compiled = types.ModuleType('mmcv._ext')
        def operator(name):
            if name.startswith('__'):
                raise AttributeError(name)
            return lambda *args: 'compiled'
        compiled.__getattr__ = operator
        sys.modules['mmcv._ext'] = compiled
        import mmagic
        import cdvd_mm
        import mmcv.ops
        assert sys.modules['mmcv._ext'] is compiled
        assert mmcv.ops.get_compiler_version() == 'compiled'
        assert type(mmagic.__spec__.loader).__name__ == 'SourceFileLoader'
        import mmagic.models
    """)


def test_other_libraries_never_see_a_placeholder(tmp_path):
    """A library that looks for an optional package while MMagic is being imported."""
    (tmp_path / 'resize_right.py').write_text(textwrap.dedent("""
        try:
            import diffusers
            has_diffusers = True
        except ImportError:
            has_diffusers = False
        def resize(*args): pass
    """))
    run("""
        import importlib.util
        there = importlib.util.find_spec('diffusers') is not None
        import cdvd_mm
        import mmagic.models
        import resize_right
        assert resize_right.has_diffusers == there
    """, tmp_path)
