"""``python -m flask_chest``: the same as the console script ``flask-chest``."""

from .cli.standalone import main

if __name__ == "__main__":
    main(prog_name="python -m flask_chest")
