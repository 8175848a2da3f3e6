"""`torchrun --nproc-per-node N -m faceinpaint_fast.training train ...`: the command `faceinpaint`, by N processes."""

from runpy import run_module

if __name__ == "__main__":
    # by its name: the command line stands above this room, which imports nothing of it
    run_module("faceinpaint_fast", run_name="__main__")
