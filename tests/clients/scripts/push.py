"""Uploads a folder to a repository, which is made: FOLDER, OWNER/NAME, public or private."""

import json
import sys

from huggingface_hub import HfApi

folder, repository, seen = sys.argv[1:]
api = HfApi()
api.create_repo(repository, private=seen == "private", exist_ok=True)
sys.stdout.write(json.dumps(api.upload_folder(folder_path=folder, repo_id=repository).oid) + "\n")
