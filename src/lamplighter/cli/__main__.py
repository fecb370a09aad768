"""`python -m lamplighter.cli`."""

from lamplighter.cli.entry import main

if __name__ == "__main__":
    main()
