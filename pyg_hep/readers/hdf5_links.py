"""The data sets of an HDF5 file through its links: soft, external, and the parts of virtual data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyg_hep.readers.hdf5_heap import check_heaps

# Links within links that are followed; a file can make a loop of them.
_MOST_LINKS = 4


class Links:
    """Walks through a file and the files that it links to.

    HDF5 itself fills a virtual data set with zeros where a file is missing, so every part is looked for here.

    Args:
        file: h5py's file.
        remote: whether it lies at an address, where no other file is looked for.

    Attributes:
        blocked: name of a link or data set -> why nothing below it can be read, in words about a column.
    """

    def __init__(self, file: Any, remote: bool):
        self._file, self._remote = file, remote
        self._opened: dict[str, Any] = {}
        self.blocked: dict[str, str] = {}

    def close(self) -> None:
        """Close the other files."""
        for file in self._opened.values():
            file.close()

    def datasets(self) -> Iterator[tuple[str, Any]]:
        """Name and h5py's data set of all that can be read."""
        yield from self._below(self._file, "", frozenset(), 0)

    def _below(self, group: Any, prefix: str, around: frozenset[Any], links: int) -> Iterator[tuple[str, Any]]:
        import h5py

        around |= {_key(group)}
        for name in group:
            full = prefix + name
            link = group.get(name, getlink=True)
            item = self._target(group, name, link, full)
            passed = links + (not isinstance(link, h5py.HardLink))
            if isinstance(item, h5py.Group):
                if _key(item) not in around and passed <= _MOST_LINKS:
                    yield from self._below(item, f"{full}/", around, passed)
            elif isinstance(item, h5py.Dataset):
                problem = self._problem(item)
                if problem:
                    self.blocked[full] = problem
                else:
                    yield full, item

    def _target(self, group: Any, name: str, link: Any, full: str) -> Any:
        import h5py

        if isinstance(link, h5py.ExternalLink):
            file, problem = self._other(link.filename, group)
            item = file.get(link.path) if file is not None else None
            if file is not None and item is None:
                problem = f"it lies in {link.path!r} of the file {link.filename!r}, which has nothing of that name"
        else:
            item, problem = group.get(name), None
            if item is None and isinstance(link, h5py.SoftLink):
                problem = f"it is a link to {link.path!r}, which is not there"
        if problem:
            self.blocked[full] = problem
        return item

    def _other(self, name: str, origin: Any) -> tuple[Any, str | None]:
        """The other file, or why it cannot be read."""
        import h5py

        if self._remote:
            return None, f"it lies in the file {name!r}, which is not looked for beside an address"
        place = _place(name, Path(origin.file.filename).parent)
        if place is None:
            return None, f"it lies in the file {name!r}, which is missing"
        if place not in self._opened:
            try:
                check_heaps(place)
                self._opened[place] = h5py.File(place, "r", locking=False)
            except (OSError, ValueError) as error:
                return None, f"it lies in the file {place!r}, which cannot be opened ({' '.join(str(error).split())})"
        return self._opened[place], None

    def _problem(self, dataset: Any, depth: int = 0) -> str | None:
        """Why a data set cannot be read: where its numbers are is not there."""
        if dataset.external:
            return f"its numbers lie in the raw file {dataset.external[0][0]!r}, and such files are never read"
        if not dataset.is_virtual:
            return None
        if self._remote:
            return "it is a virtual data set, whose parts are not looked for beside an address"
        if depth == _MOST_LINKS:
            return "it is a virtual data set of virtual data sets, more than can be followed"
        return next(filter(None, (self._problem_of_part(dataset, p, depth) for p in dataset.virtual_sources())), None)

    def _problem_of_part(self, dataset: Any, part: Any, depth: int) -> str | None:
        if "%b" in part.file_name + part.dset_name:
            return f"a part of it lies in files of the pattern {part.file_name!r}, which are not followed"
        file, problem = (dataset.file, None) if part.file_name == "." else self._other(part.file_name, dataset)
        if problem:
            return problem.replace("it lies", "a part of it lies", 1)
        inner = file.get(part.dset_name)
        where = f"a part of it lies in {part.dset_name!r} of the file {part.file_name!r}"
        if inner is None or not hasattr(inner, "is_virtual"):
            return f"{where}, which has no data set of that name"
        if not _reaches(part, inner.shape or ()):
            return f"{where}, which is smaller than it says"
        problem = self._problem(inner, depth + 1)
        return f"{where}: {problem}" if problem else None


def _key(group: Any) -> tuple[str, int]:
    import h5py

    return group.file.filename, h5py.h5o.get_info(group.id).addr


def _place(name: str, folder: Path) -> str | None:
    """Where HDF5 finds the file that a file in ``folder`` names: as it says, or by its last name beside it."""
    places = [Path(name), folder / Path(name).name] if Path(name).is_absolute() else [folder / name]
    return next((str(place.resolve()) for place in places if place.is_file()), None)


def _reaches(part: Any, shape: tuple[int, ...]) -> bool:
    """Whether a data set of ``shape`` holds all that a virtual one takes of it."""
    import h5py

    if part.src_space.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
        points = 1
        for size in shape:
            points *= size
        return bool(part.vspace.get_select_npoints() <= points)
    try:
        _, last = part.src_space.get_select_bounds()
    except (ValueError, RuntimeError):  # without an end, so that it takes what is there
        return True
    return len(last) == len(shape) and all(end < size for end, size in zip(last, shape, strict=True))
