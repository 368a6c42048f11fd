"""Restore a video file or a folder of frames: SOURCE OUTPUT CONFIG CHECKPOINT."""

import sys

from cdvd_mm.apis import VideoDeblurInferencer

source, output, config, checkpoint = sys.argv[1:]

deblur = VideoDeblurInferencer(config, checkpoint, device='auto')
result = deblur(source, output, on_frame=lambda done, expected: None)

report = result['report']
sys.stdout.write(f'{report.num_frames} frames in {report.output}\n')
if report.damage:
    sys.exit(f'{source} is damaged: {"; ".join(report.damage)}')
