"""The two operators of the doctor's smallest graph."""


def parameter(shape, dtype):
    return tuple(shape), dtype


def relu(data):
    return data
