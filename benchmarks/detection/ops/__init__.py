"""mmcv's compiled operators in plain PyTorch: one file per family, assembled into `mmcv._ext` by `extension`."""
