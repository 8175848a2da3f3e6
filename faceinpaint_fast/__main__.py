"""`python -m faceinpaint_fast` is the command `faceinpaint`."""

from faceinpaint_fast.cli.__main__ import main

if __name__ == "__main__":
    main()
