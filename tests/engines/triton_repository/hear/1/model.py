"""The word listener in Triton's Python backend, keeping the tensor contract of the router."""

import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils
import word_listener  # copied beside the repository when Triton is started

PACE_S = 0.01


class TritonPythonModel:
    """One instance of the model."""

    def initialize(self, args):
        """Make the counters of recordings, and of those whose caller left."""
        counter = pb_utils.MetricFamily.COUNTER
        self._families = [
            pb_utils.MetricFamily(name=name, description=name, kind=counter)
            for name in ("listened_total", "deserted_total")
        ]
        self._listened, self._deserted = (family.Metric(labels={}) for family in self._families)

    def execute(self, requests):
        """Answer each request in pieces, its times with the last."""
        for request in requests:
            sender = request.get_response_sender()
            try:
                self._answer(request, sender)
            except word_listener.Refused as refusal:
                error = pb_utils.TritonError(f"INVALID_ARGUMENT: {refusal}", pb_utils.TritonError.INVALID_ARG)
                sender.send(pb_utils.InferenceResponse(error=error))
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _answer(self, request, sender):
        content, language = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy().flat[0] for name in ("audio", "language")
        )
        heard = word_listener.heard(content)
        self._listened.increment(1)
        for number, word in enumerate(heard.words):
            time.sleep(PACE_S)
            if sender.is_cancelled():
                self._deserted.increment(1)
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                return
            sender.send(pb_utils.InferenceResponse([_text("text_output", (" " if number else "") + word["word"])]))
        end = [
            _text("text_output", ""),
            _text("language", language.decode() or "en"),
            pb_utils.Tensor("duration_s", np.array([heard.duration_s], dtype=np.float32)),
            _text("segments", json.dumps(heard.segments)),
            _text("words", json.dumps(heard.words)),
        ]
        sender.send(pb_utils.InferenceResponse(end), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _text(name, value):
    return pb_utils.Tensor(name, np.array([value.encode()], dtype=np.object_))
