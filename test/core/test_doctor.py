"""The doctor sees what is there and says why there is no GPU."""

import os
import re
import subprocess
import sys

from mask3d_core import doctor
import pytest
import torch


def test_everything_needed_is_found() -> None:
    findings = {finding.name: finding for finding in doctor.examine()}

    assert all(finding.good for finding in findings.values())
    assert findings['torch'].value == torch.__version__
    assert findings['torch threads'].value == str(torch.get_num_threads())
    assert findings['device'].value.startswith('cuda' if torch.cuda.is_available() else 'cpu')


def test_a_missing_package_is_bad_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, 'NEEDED', ('numpy', 'package_that_is_not_there'))

    bad = [finding for finding in doctor.examine() if not finding.good]

    assert [finding.name for finding in bad] == ['package_that_is_not_there']
    assert bad[0].value == 'missing: pip install package_that_is_not_there'


@pytest.mark.skipif(torch.version.cuda is not None, reason='torch is built with CUDA')
def test_a_torch_without_cuda_is_the_reason() -> None:
    reason = doctor.why_no_cuda()

    assert reason is not None
    assert re.search(r'built without CUDA.*install a CUDA build', reason)


@pytest.mark.skipif(torch.version.cuda is None, reason='torch is built without CUDA')
def test_hidden_gpus_are_the_reason() -> None:
    done = subprocess.run(
        [sys.executable, '-c', 'from mask3d_core.doctor import *; print(why_no_cuda())'],
        env=os.environ | {'CUDA_VISIBLE_DEVICES': ''}, capture_output=True, text=True, check=True)

    assert done.stdout.strip() not in ('', 'None')
