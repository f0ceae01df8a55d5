"""Making detectors: from a folder of pictures to a model file with its card. Needs PyTorch."""
