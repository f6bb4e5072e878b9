"""Downloads a repository to a folder: OWNER/NAME, FOLDER; tells the SHA-256 of every file."""

import hashlib
import json
import sys
from pathlib import Path

from huggingface_hub import snapshot_download

repository, folder = sys.argv[1:]
root = Path(snapshot_download(repository, local_dir=folder))
files = (path for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts)
found = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
sys.stdout.write(json.dumps(found) + "\n")
