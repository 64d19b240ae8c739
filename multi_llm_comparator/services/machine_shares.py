"""What models in memory get of the machine: cores while they are at work, and how many answers they decode together.

More threads than cores spin against each other, so the cores are divided among the models that are at work. How many
answers pay is learnt from steps that nobody else disturbed, see :mod:`services.slot_tuning`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from multi_llm_comparator import __version__
from multi_llm_comparator.core.cpus import available_cpus, cpu_name
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.devices import CPU, same_memory
from multi_llm_comparator.services.keeping import Keeping
from multi_llm_comparator.services.resident import Resident
from multi_llm_comparator.services.slot_tuning import SpeedBook, Speeds
from multi_llm_comparator.services.step_meter import StepTimes

log = logging.getLogger(__name__)


class MachineShares:
    """Divides the machine among ``residents()``, the models in memory at that moment."""

    def __init__(self, settings: Settings, keeping: Keeping, residents: Callable[[], Sequence[Resident]]) -> None:
        self._keeping, self._residents = keeping, residents
        # Another version may decode at another speed.
        machine = f"{cpu_name()}, {available_cpus()} cores, version {__version__}"
        self._book = SpeedBook(settings.home / "slots.json", machine)

    def beside(self, resident: Resident) -> tuple[set[str], int]:
        """The models that decode on the same device, and how many other requests this one decodes itself."""
        others = (r for r in self._residents() if r.key != resident.key and r.decoding)
        return {r.model.name for r in others if same_memory(r.device, resident.device)}, resident.batched

    def share_cores(self) -> None:
        """Divide the cores anew: who is at work has changed."""
        busy = [r for r in self._residents() if r.active and r.device == CPU]
        share = max(1, available_cpus() // max(1, len(busy)))
        for resident in busy:
            if resident.process is not None and resident.state == "ready" and resident.process.is_alive:
                resident.process.set_threads(min(share, resident.options.n_threads or share))

    def share_slots(self, resident: Resident) -> None:
        """Have a model decode as many answers together as its settings say, or as pays."""
        wanted = self._keeping.slots(resident.model, resident.options.parallel, self.speeds(resident))
        process = resident.process
        if wanted != (resident.slots or resident.options.parallel) and process is not None and process.is_alive:
            process.set_slots(wanted)
        resident.slots = wanted

    def learn(self, resident: Resident, times: StepTimes) -> None:
        """Note how fast a model is, unless others were at work beside it, and have it decode as many as pays."""
        if any(other.decoding for other in self._residents() if other is not resident):
            return
        speeds = self.speeds(resident)
        for rows, (steps, spent) in times.items():
            speeds.note(rows, steps, spent)
        self.share_slots(resident)

    def speeds(self, resident: Resident) -> Speeds:
        """How fast this model was on this machine, as it is loaded."""
        options = resident.options
        return self._book.of(f"{resident.model.id}:{resident.model.size}:{options.torch_dtype}:{options.quantization}")

    def save(self) -> None:
        """Write down what was learnt. Blocks: at the end of a program no thread can be begun, and the file is small."""
        try:
            self._book.save()
        except OSError as exc:
            log.warning("what was learnt about speeds cannot be written down (%s), and is learnt anew", exc)
