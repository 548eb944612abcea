"""OpenVINO 2021.4 as far as the Neural Compute Stick 2 needs it."""
