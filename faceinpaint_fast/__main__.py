"""`python -m faceinpaint_fast` is the command `faceinpaint`."""

from faceinpaint_fast.cli.main import main

if __name__ == "__main__":
    main()
