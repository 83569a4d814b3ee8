"""d3rlpy's gradient steps per CPU-second on random Hopper-shaped data, one thread. Runs in an environment of its own.

Reads a line per turn from standard input (the number of steps), answers with the CPU-seconds they took.
"""

import sys
import time

import d3rlpy
import numpy as np
import torch

OBSERVATION_DIM, ACTION_DIM, EPISODES, LENGTH, BATCH = 11, 3, 100, 1000, 256


def random_buffer() -> d3rlpy.dataset.ReplayBuffer:
    """100,000 random transitions in 100 episodes."""
    rng = np.random.default_rng(0)
    rows = EPISODES * LENGTH
    terminals = np.zeros(rows, dtype=np.float32)
    terminals[LENGTH - 1 :: LENGTH] = 1.0
    return d3rlpy.dataset.MDPDataset(
        rng.standard_normal((rows, OBSERVATION_DIM)).astype(np.float32),
        np.tanh(rng.standard_normal((rows, ACTION_DIM))).astype(np.float32),
        rng.standard_normal((rows, 1)).astype(np.float32),
        terminals,
    )


def main(name: str) -> None:
    """Serve turns until the input ends."""
    torch.set_num_threads(1)
    buffer = random_buffer()
    config = {"iql": d3rlpy.algos.IQLConfig, "cql": d3rlpy.algos.CQLConfig}[name](batch_size=BATCH)
    algorithm = config.create(device="cpu:0")
    algorithm.build_with_dataset(buffer)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.process_time()
        for _ in range(int(line)):
            algorithm.update(buffer.sample_transition_batch(BATCH))
        print(time.process_time() - start, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
