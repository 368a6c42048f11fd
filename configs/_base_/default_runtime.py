"""Runtime of every training and test; counts in epochs."""

default_scope = 'cdvd_mm'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='SafeCheckpointHook', interval=1, by_epoch=True, max_keep_ckpts=3, save_best='PSNR',
        rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='BasicVisualizationHook', interval=dict(val=200, test=100)))
custom_hooks = [
    dict(type='CheckpointCheckHook'),
    dict(type='ProgressBarHook'),
    dict(type='TrainingMonitorHook'),
    dict(type='StageMonitorHook', interval=1, num_pictures=2),
    dict(type='InterruptHook'),  # SIGUSR1 and SIGTERM save and end the training
    dict(type='NonFiniteHook', max_in_a_row=20),
]

visualizer = dict(
    type='RestorationVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
    fn_key='vis_name',
    img_keys=['input', 'pred_img', 'gt_img'],
    bgr2rgb=True)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
randomness = dict(seed=2020)

log_level = 'INFO'
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
load_from = None
resume = False
