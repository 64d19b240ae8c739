"""llama.cpp's own server, as a peer: run by :mod:`benchmarks.served` with the Python that has it.

    python benchmarks/llama_server.py MODEL SLOTS THREADS N_CTX

It takes a free port, prints its address once it answers, and ends when standard input does. Weights are repacked for
the CPU as the server does by itself; ``N_CTX`` is the context of one slot, in tokens.
"""

from __future__ import annotations

import os
import sys

import xllamacpp

# Model processes of the workbench run with this niceness: both contestants give way to the same others.
NICENESS = 5


def main() -> None:
    model, slots, threads, n_ctx = sys.argv[1], *map(int, sys.argv[2:])
    os.nice(NICENESS)
    # Only the address may go to the real standard output, whatever the library prints.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_parallel, params.n_ctx = slots, slots * n_ctx
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.kv_unified = True
    server = xllamacpp.Server(params)
    print(server.listening_address, file=out, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
