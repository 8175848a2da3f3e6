"""The search for programs without Python: compiled for one kind of processor, or as ONNX for any runtime."""
