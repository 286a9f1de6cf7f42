"""`python -m coval_load.cluster`: one worker's process, which speaks with its coordinator over its pipes."""

from coval_load.cluster.worker_process import main

if __name__ == "__main__":
    main()
