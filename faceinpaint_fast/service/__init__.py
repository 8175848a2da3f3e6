"""Faces and photographs restored over HTTP: one worker owns the engine and forms batches of what is asked for."""
