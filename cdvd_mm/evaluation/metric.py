"""The metric that follows a published protocol, frame by frame."""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from mmagic.evaluation.metrics.base_sample_wise_metric import BaseSampleWiseMetric
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.registry import METRICS
from cdvd_mm.system import device_name

from .protocols import Protocol, get_protocol
from .results import Results, identical_in_words, summarise, versions
from .scores import check_metrics, lpips_missing, score_frame, to_8bit


@METRICS.register_module()
class VideoDeblurMetric(BaseSampleWiseMetric):
    """Score restored frames by a published protocol.

    Logs ``PSNR``, ``SSIM`` (and ``LPIPS``): means over all frames of all videos. Every frame counts
    once, however many processes test and whatever the sampler does, and the result is the same to
    the last bit. Frames without ground truth are saved and no metric is claimed for them.

    Args:
        protocol: Name of a protocol, see :mod:`cdvd_mm.evaluation.protocols`. Frames that it does
            not score are left out.
        metrics: Of 'PSNR', 'SSIM', 'LPIPS'. LPIPS is left out with a warning where the package or
            its weights are missing.
        out_dir: Folder for ``results.json``, ``frames.csv`` and ``videos.csv``; ``None`` writes
            none of them.
        save_frames: Folder for the restored frames, ``<video>/<frame>.png``. ``None`` saves none,
            but those without ground truth go to ``<out_dir>/frames``.
        resume: Count the scores that an interrupted run left in ``out_dir``. The dataset must be
            told to leave those frames out (``skip_keys``), as ``tools/test.py --resume`` does.
        run_info: What to write into the report: config, checkpoint, its hash.
        score_threads: Threads that score and save while the next frames are restored.
        gt_key: Name of the ground truth in a data sample.
        pred_key: Name of the restored frame in a data sample's output.
        collect_device: 'cpu' or 'gpu', for MMEngine.
        prefix: Put before the names of the metrics.

    Raises:
        ValueError: Unknown protocol or metric, frames of different sizes, ``resume`` without
            ``out_dir`` or onto another test.
    """

    metric = 'PSNR'
    default_prefix = ''  # the names as they are

    def __init__(self,
                 protocol: str | Protocol = 'cdvd-tsp',
                 metrics: tuple[str, ...] = ('PSNR', 'SSIM'),
                 out_dir: str | None = None,
                 save_frames: str | None = None,
                 resume: bool = False,
                 run_info: dict | None = None,
                 score_threads: int = 2,
                 gt_key: str = 'gt_img',
                 pred_key: str = 'pred_img',
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(gt_key=gt_key, pred_key=pred_key, collect_device=collect_device,
                         prefix=prefix)
        self.protocol = get_protocol(protocol)
        self.metrics = tuple(metrics)
        check_metrics(self.metrics)
        if 'LPIPS' in self.metrics and (missing := lpips_missing()):
            print_log(f'LPIPS is not computed: {missing}', logger='current', level=logging.WARNING)
            self.metrics = tuple(name for name in self.metrics if name != 'LPIPS')
        if resume and out_dir is None:
            raise ValueError('resume=True needs out_dir, the folder with the scores to go on from')
        self.out_dir, self.save_frames, self.resume = out_dir, save_frames, resume
        self.run_info = dict(run_info or {})
        self.score_threads = max(1, score_threads)
        self._results_folder: Results | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[Future] = []

    # ------------------------------------------------------------------ frames

    def process(self, data_batch, data_samples) -> None:
        """Score the restored frames of a batch.

        Args:
            data_batch: Not used.
            data_samples: One dict a sample: ``output`` with ``pred_img`` (3, h, w), or
                (t, 3, h, w) of a whole video or run, in 0..255; ``gt_img`` of the same shape where
                there is ground truth; ``key``, ``video``, ``frame_index``, ``video_length`` (and
                ``frame_keys``, ``frame_indices``, ``scored_frames`` of a run) as the datasets give
                them.
        """
        for sample in data_samples:
            for row, pred, gt in self._frames(sample):
                self._submit(row, pred, gt)

    def _frames(self, sample: dict):
        """Yield (row, restored, sharp or None) for every frame of a sample; (h, w, 3) RGB uint8."""
        pred = _array(sample['output'][self.pred_key])
        gt = _array(sample[self.gt_key]) if self.gt_key in sample else None
        if pred.ndim == 3:
            if gt is not None and gt.ndim == 4:  # the sharp frames of the whole window
                gt = gt[gt.shape[0] // 2]
            frames = [(sample['key'], sample['frame_index'], pred, gt)]
            paths = [_centre(sample.get('img_path')), _centre(sample.get('gt_path'))]
        else:
            scored = set(sample['scored_frames'])
            if len(sample['frame_keys']) != len(pred):
                raise ValueError(f'{sample["key"]}: {len(sample["frame_keys"])} frames went in and '
                                 f'{len(pred)} came out; a whole-video test needs a model that '
                                 'restores every frame')
            frames = [(key, index, pred[i], None if gt is None else gt[i]) for i, (key, index)
                      in enumerate(zip(sample['frame_keys'], sample['frame_indices']))
                      if index in scored]
        is_bgr = _is_bgr(sample)
        for key, index, pred_frame, gt_frame in frames:
            row = dict(key=key, video=sample['video'], frame_index=int(index),
                       video_length=int(sample['video_length']))
            if pred.ndim == 4:
                at = sample['frame_indices'].index(index)
                paths = [sample[k][at] if k in sample else None for k in ('img_path', 'gt_path')]
            row.update({k: p for k, p in zip(('blur_path', 'gt_path'), paths) if p is not None})
            yield row, _to_rgb(pred_frame, is_bgr, self.protocol.truncate), \
                None if gt_frame is None else _to_rgb(gt_frame, is_bgr)

    def _submit(self, row: dict, pred: np.ndarray, gt: np.ndarray | None) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.score_threads)
        self._pending.append(self._pool.submit(self._score, row, pred, gt))
        while len(self._pending) > 2 * self.score_threads or \
                (self._pending and self._pending[0].done()):
            self._collect()

    def _score(self, row: dict, pred: np.ndarray, gt: np.ndarray | None) -> dict:
        folder = self.save_frames
        if gt is not None and row['frame_index'] in self.protocol.frames(row['video_length']):
            try:
                row = {**row, **score_frame(pred, gt, self.protocol, self.metrics)}
            except ValueError as error:
                raise ValueError(f'{row["key"]}: {error}') from error
        elif gt is None and folder is None and self.out_dir is not None:
            folder = os.path.join(self.out_dir, 'frames')
        if folder is not None:
            path = os.path.join(folder, f'{row["key"]}.png')
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_frame(path, pred)
            row['pred_path'] = path
        return row

    def _collect(self) -> None:
        row = self._pending.pop(0).result()
        if self.out_dir is not None:
            self._folder().append(row)
        self.results.append(row)

    def _folder(self) -> Results:
        if self._results_folder is None:
            info = dict(self.run_info, versions=versions(), device=device_name())
            assert self.out_dir is not None
            self._results_folder = Results(self.out_dir, self.protocol, info)
        return self._results_folder

    # ----------------------------------------------------------------- summary

    def prepare(self, module, dataloader) -> None:
        """Called by MMagic's loops before the test: clear what an earlier run left."""
        super().prepare(module, dataloader)
        if self.out_dir is not None and not self.resume:
            if is_main_process():
                self._folder().forget()
            broadcast_object_list([None])  # nobody writes before that

    def evaluate(self, size: int | None = None) -> dict:
        """Sum up the scores of all processes.

        Args:
            size: Not used: frames are told apart by their keys.

        Returns:
            Means over all frames, the same on every process; empty without ground truth.

        Raises:
            OSError: The results cannot be written.
        """
        while self._pending:
            self._collect()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self._results_folder is not None and not is_main_process():
            self._results_folder.close()
        rows = [row for part in all_gather_object(self.results) for row in part]
        self.results.clear()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self.compute_metrics(rows)]
            except (OSError, ValueError) as error:  # the others must not wait for ever
                outcome = [error]
        broadcast_object_list(outcome)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return {f'{self.prefix}/{k}' if self.prefix else k: v for k, v in outcome[0].items()}

    def compute_metrics(self, results: list) -> dict:
        """Means over frames; writes the report.

        Args:
            results: Rows of :meth:`process`, from all processes.

        Returns:
            Mean of each metric.
        """
        if self.resume:
            results = self._folder().load() + results
        summary = summarise(results, self.protocol)
        if not summary['complete']:
            print_log(f'protocol {self.protocol.name} wants {summary["missing"]} more frame(s) of '
                      'the tested videos; do not quote this result as that protocol (test with '
                      f'--protocol {self.protocol.name}, and without a limit on the samples)',
                      logger='current', level=logging.WARNING)
        if summary['frames'] and not summary['overall']:
            print_log('no metric is claimed: there is no ground truth', logger='current',
                      level=logging.WARNING)
        if self.out_dir is not None:
            self._folder().write(summary)
            identical = identical_in_words(summary['identical'])
            print_log(f'{summary["num_frames"]} frames, protocol {self.protocol.name}: '
                      f'{summary["overall"]}; {identical and f"{identical}; "}report in '
                      f'{self.out_dir}', logger='current')
        return dict(summary['overall'])


def _centre(paths: str | list[str] | None) -> str | None:
    return paths[len(paths) // 2] if isinstance(paths, (list, tuple)) else paths


def _array(tensor) -> np.ndarray:
    return tensor if isinstance(tensor, np.ndarray) else tensor.detach().cpu().float().numpy()


def _is_bgr(sample: dict) -> bool:
    """MMagic's preprocessor hands everything out as BGR in tests, and leaves a mark."""
    for name in ('gt_img_output_channel_order', 'img_output_channel_order'):
        if name in sample:
            return name == 'img_output_channel_order' or sample[name] == 'BGR'
    return sample.get('img_channel_order', 'RGB') == 'BGR'


def _to_rgb(frame: np.ndarray, is_bgr: bool, truncate: bool = False) -> np.ndarray:
    """(3, h, w) in 0..255 to (h, w, 3) RGB uint8."""
    frame = to_8bit(frame, truncate).transpose(1, 2, 0)
    return np.ascontiguousarray(frame[..., ::-1] if is_bgr else frame)
