"""``python -m nlmeans`` is the command ``nlmeans``."""

from nlmeans.cli import main

if __name__ == "__main__":
    main()
