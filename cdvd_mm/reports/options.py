"""What can be asked of comparisons, the ablation and plots."""

from __future__ import annotations

import dataclasses
from typing import Any

from cdvd_mm.engine.options import LAUNCHERS
from cdvd_mm.options import REQUIRED, option, positional

DEMO_CONFIGS = ('cdvd_mm::cdvd_demo.py', 'cdvd_mm::cdvd_nl/cdvd-nl_demo.py',
                'cdvd_mm::dstnet_plus/dstnet-plus_demo.py',
                'cdvd_mm::dstnet_plus/dstnet-plus-l_demo.py', 'cdvd_mm::estrnn/estrnn_demo.py',
                'cdvd_mm::stfan/stfan_demo.py', 'cdvd_mm::edvr/edvr-deblur_demo.py',
                'cdvd_mm::basicvsr_pp/basicvsr-pp_demo.py')
_DEVICE = 'auto, cpu, cuda or cuda:N'
_PROTOCOL = 'cdvd-tsp, all-frames, dvd-30, dstnet, bsd or reds4'


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Compare models on the same frames: report.html, .md, .json, .csv and .tex."""

    models: tuple[str, ...] = positional('configs, with or without their checkpoints',
                                         metavar='CONFIG[:CHECKPOINT]')
    data: str = option(REQUIRED, 'dataset with a test split, in any layout of '
                       'docs/en/dataset_prepare.md', metavar='ROOT')
    names: tuple[str, ...] | None = option(None, 'what to call the models, in their order',
                                           metavar='NAME', shown_default="their configs' names")
    protocol: str = option('cdvd-tsp', _PROTOCOL)
    out: str = option(REQUIRED, 'folder for the report', metavar='DIR')
    device: str = option('auto', _DEVICE)
    resume: bool = option(False, 'go on with what an interrupted run left in DIR')
    lpips: bool = option(False, 'compute LPIPS as well')
    repeats: int = option(5, 'timed runs of each model')
    launcher: str = option('none', 'what started the processes, which share out the videos',
                           choices=LAUNCHERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareDemoOptions:
    """Train the small forms of all methods for the same time and compare them.

    Makes the demo data if they are not there, trains each config, and runs what compare runs, with
    the network that comes with the package as one more row.
    """

    configs: tuple[str, ...] = positional('configs to train', metavar='CONFIG',
                                          default=DEMO_CONFIGS)
    data: str = option('data/demo', 'data in the layout of GOPRO, made if needed', metavar='ROOT')
    seconds: float = option(100., 'training time of each method')
    out: str = option('work_dirs/compare_demo', 'folder for trainings and report', metavar='DIR')
    device: str = option('auto', 'of the comparison')


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationOptions:
    """Train, test and tabulate the ablation on given data, on equal terms.

    Example: ablation stages_1 stages_2 --data data/ablation --out work_dirs/ablation --seeds 0 1
    Called again with the same --out it goes on where it was interrupted.
    """

    configs: tuple[str, ...] = positional(
        'rows of the table: names in configs/ablation, or paths (none: all of configs/ablation)',
        metavar='CONFIG', default=())
    data: str | None = option(None, 'dataset with a train and a test split', metavar='ROOT',
                              shown_default="the configs'")
    out: str = option(REQUIRED, 'folder of the table, logs and checkpoints', metavar='DIR')
    seeds: tuple[int, ...] = option((0, ), 'several give a spread')
    repeat: tuple[str, ...] | None = option(
        None, 'train these rows alone with all seeds, the others with the first', metavar='ROW',
        shown_default='all rows')
    iters: int | None = option(None, 'train for so many steps; milestones and learning rates are '
                               'scaled along')
    seconds: float | None = option(
        None, 'train every row for about so much processor time, whatever a step takes it; in '
        'place of equal numbers of steps')
    cfg_options: dict[str, Any] | None = option(None, 'override settings of every config')


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Score restored frames that any program wrote, by a published protocol.

    Example: evaluate results/edvr data/GOPRO --protocol cdvd-tsp
    """

    pred: str = positional('restored frames, <video>/<frame>.png')
    gt: str = positional('sharp frames, <video>/<frame>.png with the same names; or a dataset or '
                         'frame store, of which the test split is taken')
    protocol: str = option('cdvd-tsp', _PROTOCOL)
    metrics: tuple[str, ...] = option(('PSNR', 'SSIM'), 'of PSNR, SSIM, LPIPS')
    out: str | None = option(None, 'write results.json, frames.csv, videos.csv', metavar='DIR')
    workers: int | None = option(None, 'threads', shown_default='one a core')


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotResultsOptions:
    """Draw PSNR over time of every video, and the worst frames side by side.

    Example: plot-results work_dirs/cdvd_gopro/results_cdvd-tsp --out work_dirs/plots
    """

    reports: tuple[str, ...] = positional('results.json of tools/test.py or evaluate_frames.py, or '
                                          'its folder')
    out: str = option(REQUIRED, 'where the pictures go', metavar='DIR')
    metric: str = option('PSNR', 'what is drawn', choices=('PSNR', 'SSIM', 'LPIPS'))
    worst: int = option(4, 'worst frames to show (0: none)', metavar='N')
    labels: tuple[str, ...] | None = option(None, 'names of the reports')


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotComparisonOptions:
    """Restore the test frames of a config and draw comparison.png.

    Blurred, restored and sharp frame side by side with the sharpness prior S; prints the mean PSNR
    of the blurred and of the restored frames.
    """

    config: str = positional('path of the config')
    checkpoint: str = positional('path of the checkpoint')
    out_dir: str = positional('folder for comparison.png and restored/')
    examples: int = option(3, 'rows')
    shipped: bool = option(False, 'a column of the network that comes with the package as well')
    device: str = option('auto', _DEVICE)
    cfg_options: dict[str, Any] | None = option(None, 'override settings of the config')
