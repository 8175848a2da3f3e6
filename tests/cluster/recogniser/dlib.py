"""In the place of dlib, whose weights are a hundred megabytes: a face is told by the colours of its parts."""

from __future__ import annotations


def face_recognition_model_v1(_weights):
    return Recogniser()


class Recogniser:
    def compute_face_descriptor(self, face):
        """(150, 150, 3) -> 128 numbers."""
        parts = face.reshape(10, 15, 10, 15, 3).mean(axis=(1, 3)) / 255
        return parts.ravel()[:128].tolist()
