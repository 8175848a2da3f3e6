"""`python -m faceinpaint_fast.cli`."""

from faceinpaint_fast.cli.main import main

if __name__ == "__main__":
    main()
