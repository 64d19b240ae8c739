"""What the workbench writes is private; what it makes of models is as the user's own umask has it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
CODE = """
import os, subprocess, sys
from pathlib import Path
from multi_llm_comparator.core import private_files
os.umask(0o022)
place = Path(sys.argv[1])
private_files.keep_files_private()
private_files.keep_files_private()
(place / "kept").touch()
private_files.make_model_folder(place / "models" / "gguf")
(place / "models" / "gguf" / "model").touch(mode=private_files.model_mode(0o666))
(place / "models" / "gguf" / "model").chmod(private_files.model_mode(0o666))
subprocess.run(["touch", str(place / "by-child")], umask=private_files.umask_for_models(), check=True)
private_files.use_ordinary_umask()
(place / "converted").touch()
"""


def test_models_have_the_users_own_permissions_and_all_else_is_private(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT, check=True)
    modes = {str(p.relative_to(tmp_path)): stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert modes == {
        "kept": 0o600,
        "models": 0o755,
        "models/gguf": 0o755,
        "models/gguf/model": 0o644,
        "by-child": 0o644,
        "converted": 0o644,
    }
