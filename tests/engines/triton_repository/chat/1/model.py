"""The word model in Triton's Python backend, keeping the tensor contract of the router."""

import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils
import word_model  # copied beside the repository when Triton is started

PACE_S = 0.01


class TritonPythonModel:
    """One instance of the model."""

    def initialize(self, args):
        """Make the counter that tells of hung-up callers."""
        family = pb_utils.MetricFamily(
            name="aborted_total", description="Answers whose caller left", kind=pb_utils.MetricFamily.COUNTER
        )
        self._family, self._aborted = family, family.Metric(labels={})

    def execute(self, requests):
        """Answer each request in pieces."""
        for request in requests:
            sender = request.get_response_sender()
            try:
                self._answer(request, sender)
            except word_model.Refused as refusal:
                error = pb_utils.TritonError(f"INVALID_ARGUMENT: {refusal}", pb_utils.TritonError.INVALID_ARG)
                sender.send(pb_utils.InferenceResponse(error=error))
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _answer(self, request, sender):
        body = json.loads(pb_utils.get_input_tensor_by_name(request, "request").as_numpy().flat[0])
        answer = word_model.answer(body)
        count = 0
        for piece in answer.pieces:
            time.sleep(PACE_S)
            if sender.is_cancelled():
                self._aborted.increment(1)
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                return
            count += 1
            sender.send(pb_utils.InferenceResponse([_text("text_output", piece), _text("finish_reason", "")]))
        counts = [_count("num_input_tokens", answer.input_tokens), _count("num_output_tokens", count)]
        end = [_text("text_output", ""), _text("finish_reason", answer.finish_reason), *counts]
        sender.send(pb_utils.InferenceResponse(end), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _text(name, value):
    return pb_utils.Tensor(name, np.array([value.encode()], dtype=np.object_))


def _count(name, value):
    return pb_utils.Tensor(name, np.array([value], dtype=np.uint32))
