"""Public data sets by name: which files of which record they are, and with which card they are read.

How files are fetched is in ``remote_dataset.py`` and below.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pyg_hep.datasets.archives import cern_open_data_files
from pyg_hep.datasets.download import RemoteFile
from pyg_hep.datasets.event_dataset import EventDataset
from pyg_hep.datasets.remote_dataset import CardLike, RemoteDataset, Wanted
from pyg_hep.errors import ConfigError, DownloadError, nearest
from pyg_hep.readers import load_card


class JetDataset(EventDataset):
    """Jets as PyG graphs: an :class:`EventDataset` whose graphs are one jet each, its constituents the nodes.

    Storage, cards, splits and options are the same; what a graph stands for is the card's decision.
    """


def _part(part: str, parts: Mapping[str, Any] | Sequence[str]) -> str:
    if part not in parts:
        raise ConfigError(f"part={part!r} is not possible, {nearest(part, parts)}")
    return part


class CMSOpenData2016(RemoteDataset):
    """Events of CMS Open Data 2016 (NanoAODv9) from the CERN Open Data portal.

    Collision data, for instance: 30526 MET 2016G, 30529 SingleElectron 2016G, 30558 JetHT 2016H, 30560 MuOnia 2016H.

    Args:
        root: folder for the files and the processed data.
        records: record numbers of the portal: a list (each record its own process), or a mapping of process to
            number or numbers (label = position of the process). None takes those of the card.
        card: dataset card.
        max_files: take the first so many files of every record.
        host: address of the portal, if not the usual one.
        options: of :class:`EventDataset`.

    Raises:
        ConfigError: when neither ``records`` nor the card names a record.
        DownloadError: when the files cannot be fetched.
    """

    list_record = staticmethod(cern_open_data_files)

    def __init__(
        self,
        root: str | Path,
        records: Sequence[int] | Mapping[str, int | Sequence[int]] | None = None,
        card: CardLike = "kishimoto_pretraining",
        max_files: int | None = None,
        host: str | None = None,
        **options: Any,
    ):
        card = load_card(card)
        named = records if records is not None else card.records
        if not isinstance(named, Mapping):
            named = {f"record_{number}": number for number in named}
        if not named:
            raise ConfigError(f"{card.source} names no records: say which with records=[30558]")
        wanted = {
            process: [Wanted(int(n), ("*.root",), max_files) for n in ([v] if isinstance(v, (int, str)) else v)]
            for process, v in named.items()
        }
        super().__init__(root, card, wanted, host, options)


class TopTagging(RemoteDataset, JetDataset):
    """The community's top-tagging reference set (Zenodo 2603256): 1.2 M jets to train, 0.4 M each to validate and test.

    Args:
        root: folder for the files and the processed data.
        part: ``"train"``, ``"val"`` or ``"test"``.
        card: dataset card.
        host: address of the archive, if not the usual one.
        options: of :class:`EventDataset`.
    """

    def __init__(
        self,
        root: str | Path,
        part: str = "train",
        card: CardLike = "top_tagging",
        host: str | None = None,
        **options: Any,
    ):
        wanted = [Wanted(2603256, (f"{_part(part, ('train', 'val', 'test'))}.h5",))]
        super().__init__(root, card, {"top_tagging": wanted}, host, options)


class ATLASTopTagging(RemoteDataset, JetDataset):
    """The ATLAS top-tagging set (CERN Open Data 15013, ATL-PHYS-PUB-2022-039); the weights belong into every loss.

    Args:
        root: folder for the files and the processed data.
        part: ``"train"`` or ``"test"``.
        card: dataset card.
        host: address of the portal, if not the usual one.
        options: of :class:`EventDataset`.
    """

    list_record = staticmethod(cern_open_data_files)

    def __init__(
        self,
        root: str | Path,
        part: str = "train",
        card: CardLike = "atlas_top_tagging",
        host: str | None = None,
        **options: Any,
    ):
        wanted = [Wanted(15013, (f"{_part(part, ('train', 'test'))}*.h5",))]
        super().__init__(root, card, {"atlas_top_tagging": wanted}, host, options)


class LHCOlympics(RemoteDataset):
    """The R&D set of the LHC Olympics 2020 (Zenodo 4536377): 1 M QCD dijet events and 100 k of W' to XY.

    Args:
        root: folder for the files and the processed data.
        part: ``"particles"``, or ``"features"`` for the two leading jets with their substructure.
        card: dataset card; None takes the one of the part.
        host: address of the archive, if not the usual one.
        options: of :class:`EventDataset`.
    """

    PARTS: ClassVar[dict[str, tuple[str, str]]] = {
        "particles": ("events_anomalydetection_v2.h5", "lhc_olympics"),
        "features": ("events_anomalydetection_v2.features.h5", "lhc_olympics_features"),
    }

    def __init__(
        self,
        root: str | Path,
        part: str = "particles",
        card: CardLike | None = None,
        host: str | None = None,
        **options: Any,
    ):
        name, usual = self.PARTS[_part(part, self.PARTS)]
        wanted = {"lhc_olympics": [Wanted(4536377, (name,))]}
        super().__init__(root, usual if card is None else card, wanted, host, options)


class ZJets(RemoteDataset, JetDataset):
    """Leading jets of Z + jets at generator and detector level (Zenodo 3548091), about 1.6 M per generator.

    Args:
        root: folder for the files and the processed data.
        generators: of ``Pythia21``, ``Pythia25``, ``Pythia26`` and ``Herwig``; each is a process.
        card: dataset card.
        max_files: take the first so many of the 17 files of every generator.
        host: address of the archive, if not the usual one.
        options: of :class:`EventDataset`.
    """

    GENERATORS = ("Pythia21", "Pythia25", "Pythia26", "Herwig")

    def __init__(
        self,
        root: str | Path,
        generators: Sequence[str] = ("Pythia26", "Herwig"),
        card: CardLike = "z_jets",
        max_files: int | None = None,
        host: str | None = None,
        **options: Any,
    ):
        names = [generators] if isinstance(generators, str) else generators
        for name in names:
            if name not in self.GENERATORS:
                raise ConfigError(f"no generator {name!r}: {nearest(name, self.GENERATORS)}")
        wanted = {
            name: [Wanted(3548091, tuple(f"{name}_Zjet_pTZ-200GeV_{i}.npz" for i in range(17)), max_files)]
            for name in names
        }
        super().__init__(root, card, wanted, host, options)


class JetClass(RemoteDataset, JetDataset):
    """JetClass (Zenodo 6619768): jets of ten classes, 100 M to train, 5 M to validate, 20 M to test.

    An archive is removed when its files are extracted, to ``root/raw/6619768/<name of the archive>``.

    Args:
        root: folder for the files and the processed data.
        part: ``"train"``, ``"val"`` or ``"test"``.
        card: dataset card.
        max_files: take the first so many of the ten training archives, 10 M jets each.
        host: address of the archive, if not the usual one.
        options: of :class:`EventDataset`.
    """

    MD5: ClassVar[dict[str, str]] = {
        "JetClass_Pythia_train_100M_part0.tar": "de4fd2dca2e68ab3c85d5cfd3bcc65c3",
        "JetClass_Pythia_train_100M_part1.tar": "9722a359c5ef697bea0fbf79bf50f003",
        "JetClass_Pythia_train_100M_part2.tar": "1e9f66cd1f915f9d10e90ae1d7761720",
        "JetClass_Pythia_train_100M_part3.tar": "47348fc8985319fa4806da87500482fa",
        "JetClass_Pythia_train_100M_part4.tar": "6b0ce16bd93b442a8d51914466990279",
        "JetClass_Pythia_train_100M_part5.tar": "416e347512e716de51d392bee327b8e9",
        "JetClass_Pythia_train_100M_part6.tar": "e9b9c1557b1b39bf0a16e4ab631ae451",
        "JetClass_Pythia_train_100M_part7.tar": "5bfc6cb285ccb7680cefa9ac82ad1a2e",
        "JetClass_Pythia_train_100M_part8.tar": "540c1a0d66dfad78d2b363c5740ccf86",
        "JetClass_Pythia_train_100M_part9.tar": "668f40b3275167ff7104c48317c0ae2a",
        "JetClass_Pythia_val_5M.tar": "7235ccb577ed85023ea3ab4d5e6160cf",
        "JetClass_Pythia_test_20M.tar": "64e5156d26d101adeb43b8388207d767",
    }

    def __init__(
        self,
        root: str | Path,
        part: str = "train",
        card: CardLike = "jetclass",
        max_files: int | None = None,
        host: str | None = None,
        **options: Any,
    ):
        prefix = f"JetClass_Pythia_{_part(part, ('train', 'val', 'test'))}_"
        archives = tuple(name for name in self.MD5 if name.startswith(prefix))
        super().__init__(root, card, {"jetclass": [Wanted(6619768, archives, max_files)]}, host, options)

    @classmethod
    def list_record(cls, record: int, host: str = "https://zenodo.org") -> list[RemoteFile]:
        """The archives with their published checksums, which need not be asked for."""
        address = f"{host.rstrip('/')}/records/{record}/files"
        return [RemoteFile(name, f"{address}/{name}", f"md5:{md5}") for name, md5 in cls.MD5.items()]

    def _extracted(self, item: Wanted, file: RemoteFile) -> Path:
        return self._folder_of(item) / Path(file.name).stem

    def _is_there(self, item: Wanted, file: RemoteFile) -> bool:
        return self._extracted(item, file).is_dir()

    def _read_from(self, item: Wanted, file: RemoteFile) -> list[Path]:
        return sorted(self._extracted(item, file).rglob("*.root"))

    def _unpack(self, item: Wanted, file: RemoteFile) -> None:
        archive, folder = self._folder_of(item) / file.name, self._extracted(item, file)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(partial, filter="data")
            if not any(partial.rglob("*.root")):
                raise DownloadError("it holds no ROOT file")
        except (tarfile.TarError, EOFError, OSError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise DownloadError(f"cannot extract {archive}: {error}; remove it and try again") from None
        partial.rename(folder)
        archive.unlink()
