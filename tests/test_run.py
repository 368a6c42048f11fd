"""``python -m cdvd_mm.run``: another project's program, with this package imported first."""

import os
import subprocess
import sys


def run(folder, repo_root, *arguments):
    return subprocess.run([sys.executable, '-m', 'cdvd_mm.run', *map(str, arguments)], text=True,
                          capture_output=True, cwd=folder,
                          env=dict(os.environ, PYTHONPATH=str(repo_root)))


def test_a_program_sees_what_python_would_give_it(tmp_path, repo_root):
    folder = tmp_path / 'programs'
    folder.mkdir()
    (folder / 'beside.py').write_text('here = True\n')
    (folder / 'program.py').write_text(
        'import sys\nimport beside\nassert __name__ == "__main__" and beside.here\n'
        'assert "cdvd_mm" in sys.modules\nprint(sys.argv[1:])\nsys.exit(3)\n')
    done = run(tmp_path, repo_root, 'programs/program.py', 'config.py', '--resume')
    assert done.returncode == 3, done.stderr
    assert done.stdout == "['config.py', '--resume']\n"


def test_a_missing_program_is_named(tmp_path, repo_root):
    done = run(tmp_path, repo_root, 'nothing.py')
    assert done.returncode == 1
    assert done.stderr == 'error: no such program: nothing.py\n'
