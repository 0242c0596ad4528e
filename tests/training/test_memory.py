import subprocess
import sys

import pytest

from pyg_hep.training.memory import keep_freed_memory

SCRIPT = """
import resource, torch
from pyg_hep.training.memory import keep_freed_memory
torch.set_num_threads(1)
{first}
def step():
    for _ in range(20):
        a = torch.ones(1 << 20)  # 4 MB
        b = a + 1
for _ in range(2): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux's glibc is asked")
def test_freed_arrays_are_used_again_without_new_pages():
    faults = []
    for first in ("", "assert keep_freed_memory()"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(first=first)], capture_output=True, text=True, timeout=120, check=True
        )
        faults.append(int(done.stdout))
    # 40 arrays of 1,024 pages each, if they were mapped anew; one was once where the heap had to grow after all.
    assert faults[1] < 4 * 1024
    assert keep_freed_memory()
