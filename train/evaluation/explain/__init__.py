"""What of a face an answer hangs on: maps by occlusion and Grad-CAM, their check by deletion, the layers' values."""
