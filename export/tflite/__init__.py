"""From ONNX to full-int8 TFLite, and what a .tflite file holds."""
