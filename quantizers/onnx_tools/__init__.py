"""What the methods on ONNX graphs share."""
