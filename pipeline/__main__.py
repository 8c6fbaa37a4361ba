"""`python -m pipeline` is the command `thousand`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
