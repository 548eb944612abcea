"""What runs on the device: pictures in, observations out. Never imports torch, timm or tensorflow."""
