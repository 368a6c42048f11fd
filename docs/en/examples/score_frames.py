"""Score restored frames of any program against sharp ones: RESTORED SHARP."""

import sys

from cdvd_mm.evaluation.evaluate_frames import evaluate_frames

restored, sharp = sys.argv[1:]

summary = evaluate_frames(restored, sharp, protocol='all-frames', metrics=('PSNR', 'SSIM'))
for video, scores in summary['videos'].items():
    sys.stdout.write(f'{video}: {scores["PSNR"]:.2f} dB\n')
sys.stdout.write(f'mean over all frames: {summary["overall"]["PSNR"]:.2f} dB, '
                 f'SSIM {summary["overall"]["SSIM"]:.4f}\n')
