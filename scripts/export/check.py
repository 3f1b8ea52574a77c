"""Runs exported files in Python and compares them with stored outputs of the live model.

usage: python3 check.py onnx|savedmodel|serving FOLDER CASES.safetensors

`serving` loads a SavedModel as TensorFlow Serving does: a session with the tag `serve`, requests by `signature_def`. The cases' keys are program/number/in|out/name. Prints one JSON list of {program, output, relative}.
Needs onnx and onnxruntime, or tensorflow, and numpy.
"""
import glob
import json
import os
import sys

import numpy as np

TYPES = {'F32': np.float32, 'I32': np.int32, 'U8': np.uint8}


def read(path):
    with open(path, 'rb') as file:
        size = int.from_bytes(file.read(8), 'little')
        header = json.loads(file.read(size))
        body = file.read()
    header.pop('__metadata__', None)
    return {
        key: np.frombuffer(body[slice(*e['data_offsets'])], TYPES[e['dtype']]).reshape(e['shape'])
        for key, e in header.items()
    }


def cases(path):
    grouped = {}
    for key, array in read(path).items():
        program, number, kind, name = key.split('/')
        grouped.setdefault((program, int(number)), {'in': {}, 'out': {}})[kind][name] = array
    return sorted(grouped.items())


def onnx_runner(folder):
    import onnx
    import onnxruntime

    for path in sorted(glob.glob(os.path.join(folder, '*.onnx'))):
        onnx.checker.check_model(path, full_check=True)
    sessions = {}

    def run(program, inputs):
        if program not in sessions:
            path = os.path.join(folder, program + '.onnx')
            sessions[program] = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        names = [output.name for output in sessions[program].get_outputs()]
        return dict(zip(names, sessions[program].run(names, inputs)))

    return run


def savedmodel_runner(folder):
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures

    def run(program, inputs):
        given = {name: tf.constant(array) for name, array in inputs.items()}
        return {name: value.numpy() for name, value in signatures[program](**given).items()}

    return run


def serving_runner(folder):
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    import tensorflow as tf

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        signatures = tf.compat.v1.saved_model.loader.load(session, ['serve'], folder).signature_def

    def feed(info, array):
        """What Serving demands of a request's tensor."""
        if tf.as_dtype(info.dtype).as_numpy_dtype != array.dtype:
            raise ValueError(f'{info.name} is {info.dtype} in the signature, and {array.dtype} was given')
        if not tf.TensorShape(info.tensor_shape).is_compatible_with(array.shape):
            raise ValueError(f'{info.name} cannot have the shape {array.shape}')
        return info.name, array

    def run(program, inputs):
        signature = signatures[program]
        if signature.method_name != 'tensorflow/serving/predict' or set(inputs) != set(signature.inputs):
            raise ValueError(f'{program} is no predict signature of {sorted(inputs)}')
        feeds = dict(feed(signature.inputs[name], array) for name, array in inputs.items())
        return session.run({name: info.name for name, info in signature.outputs.items()}, feeds)

    return run


RUNNERS = {'onnx': onnx_runner, 'savedmodel': savedmodel_runner, 'serving': serving_runner}


def main(kind, folder, path):
    run = RUNNERS[kind](folder)
    found = []
    for (program, _), case in cases(path):
        results = run(program, case['in'])
        for name, wanted in case['out'].items():
            got = results[name]
            same = got.shape == wanted.shape
            worst = float(np.abs(got.astype(np.float64) - wanted).max()) if same else float('inf')
            magnitude = float(np.abs(wanted.astype(np.float64)).max())
            found.append({'program': program, 'output': name, 'relative': worst / magnitude if worst else 0})
    print(json.dumps(found))


if __name__ == '__main__':
    main(*sys.argv[1:])
