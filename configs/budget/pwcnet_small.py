"""The flow of the compact cascade: a small PWC-Net on the simulated camera's exact flow."""

_base_ = './cascade.py'

model = dict(
    _delete_=True, type='FlowTrainer', generator={{_base_.flow_estimator}},
    data_preprocessor={{_base_.data_preprocessor}})
train_dataloader = dict(dataset=dict(
    sharp_window=False, with_flow=True,
    pipeline=[dict(type='PackInputs', meta_keys=['key'], data_keys=['flow'])]))
custom_hooks = _base_.custom_hooks[:-1]
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, betas=(0.9, 0.99)))
