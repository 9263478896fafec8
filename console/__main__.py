"""`python -m console`: the command line where the console script is not installed."""

from console.cli import main

if __name__ == "__main__":
    main()
