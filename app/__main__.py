"""`python -m app` is `vigie`."""

from app.cli import main

if __name__ == "__main__":
    main()
