"""``python -m zoo`` is the command ``zoo``."""

from cli import main

if __name__ == "__main__":
    main()
