#!/usr/bin/env python
"""Make the demo data: photographs of scikit-image under a simulated hand-held camera.

The folders are laid out as GOPRO's. Nothing is done where the same data are there already.
"""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', default='data/demo',
                        help='folder to make (default: %(default)s)')
    parser.add_argument('--seed', type=int, help='same seed, same data (default: 0)')
    parser.add_argument('--train-scenes', type=int, help='scenes for training')
    parser.add_argument('--test-scenes', type=int, help='scenes for testing')
    parser.add_argument('--shake', type=float,
                        help='typical way of the camera between two frames, in pixels')
    parser.add_argument('--force', action='store_true',
                        help='make them again although they are there')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Make the data; return the exit code."""
    args = vars(parse_args(argv))
    from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data
    folder, force = args.pop('folder'), args.pop('force')
    try:
        settings = DemoSettings(**{key: value for key, value in args.items() if value is not None})
        print(make_demo_data(folder, settings, force))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
