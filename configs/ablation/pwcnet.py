"""PWC-Net (checkpoints/pwcnet.pth) in place of RAFT-small."""

_base_ = '../_base_/ablation.py'

model = dict(
    generator=dict(
        flow_estimator=dict(
            _delete_=True, type='MMFlowEstimator',
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/pwcnet.pth', required=True))))
