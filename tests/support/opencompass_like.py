"""An interpreter that stands in for one with OpenCompass installed, which cannot share our environment: it reads the
configuration that it is given, asks the API as OpenCompass's own model does, and writes the same files."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

_FILES = {
    "mmengine/__init__.py": "",
    "mmengine/config.py": """
        import contextlib

        @contextlib.contextmanager
        def read_base():
            yield
        """,
    "opencompass/__init__.py": "__version__ = '0.0-like'",
    "opencompass/models.py": "class OpenAISDK: pass",
    "opencompass/configs/datasets/ceval/ceval_gen_5f30c7.py": """
        ceval_datasets = [
            dict(abbr=f'ceval-{split}{name}', reader_cfg={})
            for split in ('', 'test-') for name in ('law', 'logic')
        ]
        """,
    "opencompass/configs/datasets/mmlu/mmlu_gen_4d595a.py": """
        mmlu_datasets = [dict(abbr=f'lukaemon_mmlu_{name}', reader_cfg={}) for name in ('anatomy', 'astronomy')]
        """,
    "opencompass/cli/main.py": """
        import csv, json, pathlib, sys, time, urllib.request

        def main():
            told = {}
            exec(pathlib.Path(sys.argv[1]).read_text(), told)
            (model,), datasets = told['models'], told['datasets']
            work = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1]) / '20300101_000000'
            rows = []
            for dataset in datasets:
                asked = dict(model=model['path'], messages=[dict(role='user', content=json.dumps(dataset))],
                             max_tokens=model['max_out_len'], n=1, stop=None, temperature=model['temperature'])
                request = urllib.request.Request(
                    model['openai_api_base'] + '/chat/completions', json.dumps(asked).encode(),
                    {'content-type': 'application/json', 'authorization': 'Bearer ' + model['key']})
                try:
                    answer = json.load(urllib.request.urlopen(request))['choices'][0]['message']['content']
                except OSError as exc:
                    print('failed:', exc)
                    rows.append([dataset['abbr'], '-', '-', '-', '-'])
                    continue
                while answer.startswith('wait'):
                    time.sleep(0.1)
                place = work / 'results' / model['abbr']
                place.mkdir(parents=True, exist_ok=True)
                (place / (dataset['abbr'] + '.json')).write_text('{}')
                said = work / 'predictions' / model['abbr']
                said.mkdir(parents=True, exist_ok=True)
                (said / (dataset['abbr'] + '.json')).write_text(json.dumps({'0': {'prediction': answer}}))
                rows.append([dataset['abbr'], 'abc123', 'accuracy', 'gen', '100.00' if answer[:1] == 'A' else '0.00'])
            (work / 'summary').mkdir(parents=True, exist_ok=True)
            with (work / 'summary' / 'summary_20300101_000000.csv').open('w', newline='') as file:
                csv.writer(file).writerows([['dataset', 'version', 'metric', 'mode', model['abbr']], *rows])
        """,
}


def interpreter_like_opencompass(folder: Path) -> Path:
    """The interpreter's path."""
    for name, text in _FILES.items():
        path = folder / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={folder / "packages"} exec {sys.executable} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script
