"""A store of experiments: versions, what was measured on them, and where they come from, in one database.

``Store("drivetrain.db")``, or ``Store("postgresql://user@host/name")``. What it holds is asked of its rooms:

====================  ===========================================================================================
``store.components``  versions of models: ``add``, ``get("camera 3")``, ``all``, ``in_slot``, ``weights``, ``delete``
``store.systems``     ``overview``, ``declare``, ``slots``, ``diagram``, ``pin`` (a combination becomes a version),
                      ``get("car", 7)``, ``newest``, ``all``, ``delete``
``store.evaluations`` ``record``, ``record_all``, ``of``, ``matrix``, ``coverage``, ``untried``, ``avoid``, ``avoided``,
                      ``metrics``
``store.outputs``     memoised outputs by (component, data, upstream): ``put``, ``find``, ``get``, ``forget``
``store.data``        data sets: ``add``, ``get``, ``relate``, ``relations``
``store.promotions``  ``promote``, ``current``, ``history``
``store.runs``        what was trained: ``get("last")``, ``all``, ``measures``, ``data``; written by ``Experiment``
``store.contexts``    who was trained in whose context: ``all``, ``partners``
``store.lineage``     what came from what: ``upstream``, ``downstream``, ``around``, ``everything``
``store.contents``    bytes by digest: ``put``, ``get``, ``sweep``
====================  ===========================================================================================

``store.find("car:7")`` answers whatever is called so, ``store.compare("car:6", "car:7")`` two versions side by side,
``store.stale("car:7")`` what of it no longer fits what it stands beside.

One process writes to a SQLite file at a time (others wait for it), any number read; a killed writer leaves whole
transactions. A store may be pickled and forked: every process opens connections of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivetrain.experiments.store.component_versions import ComponentVersions
from drivetrain.experiments.store.contents import Contents
from drivetrain.experiments.store.contexts import Contexts
from drivetrain.experiments.store.data_sets import DataSets
from drivetrain.experiments.store.database import Database, url_of
from drivetrain.experiments.store.difference import VersionDifference, difference
from drivetrain.experiments.store.evaluations import Evaluations
from drivetrain.experiments.store.lineage import Lineages
from drivetrain.experiments.store.naming import Named, named, system_version
from drivetrain.experiments.store.outputs import Outputs
from drivetrain.experiments.store.promotions import Promotions
from drivetrain.experiments.store.runs import Runs
from drivetrain.experiments.store.staleness import Stale, stale
from drivetrain.experiments.store.system_versions import SystemVersions
from drivetrain.experiments.versions.version import SystemVersion


class Store:
    """The record of a team's or a person's experiments; nothing is opened before it is used.

    Args:
        place: a SQLite file or a database URL; None takes $DRIVETRAIN_STORE, else ``drivetrain.db`` here.
        durable: wait for the disk after every transaction, as MLflow does: a power failure loses nothing either. A
            killed process loses nothing in any case. PostgreSQL always waits, unless its own settings say otherwise.

    Raises:
        StoreError: the place is an MLflow server, or cannot be opened.

    Example:
        >>> import tempfile
        >>> store = Store(tempfile.mkdtemp() + "/drivetrain.db")
        >>> camera = store.components.add("camera", b"weights")
        >>> store.systems.declare("car", {"left": "image -> boxes", "right": "image -> more"})
        >>> print(store.systems.pin("car", {"left": camera.digest, "right": camera.digest}))
        car 1
        >>> print(store.systems.pin("car", {"right": camera.digest, "left": camera.digest}))
        car 1
        >>> store.close()
    """

    def __init__(self, place: str | Path | None = None, *, durable: bool = False) -> None:
        self.database = Database(url_of(place), durable)
        self._furnish()

    def _furnish(self) -> None:
        database = self.database
        self.contents = Contents(database)
        self.components = ComponentVersions(database, self.contents)
        self.systems = SystemVersions(database)
        self.evaluations = Evaluations(database, self.systems)
        self.outputs = Outputs(database, self.contents)
        self.data = DataSets(database)
        self.promotions = Promotions(database)
        self.runs = Runs(database)
        self.contexts = Contexts(database)
        self.lineage = Lineages(database)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.database.url

    def find(self, name: str) -> Named:
        """What people call so: ``"last"``, ``"car:7"``, ``"car:production"``, ``"camera:3"``, a data set, a digest.

        Raises:
            UnknownVersionError: nothing is; the message says what can be named.
        """
        return named(self, name)

    def compare(self, before: SystemVersion | str, after: SystemVersion | str) -> VersionDifference:
        """One system version against another, edge by edge.

        Raises:
            UnknownVersionError: there is no such version.
        """
        pair = [system_version(self, each) if isinstance(each, str) else each for each in (before, after)]
        digests = {digest for each in pair for digest in each.pins.values()}
        components = {digest: self.components.get(digest) for digest in digests}
        glues = self.systems.glue(pair[0].glue), self.systems.glue(pair[1].glue)
        return difference(
            pair[0], pair[1], components, glues, (self.evaluations.of(pair[0]), self.evaluations.of(pair[1]))
        )

    def stale(self, version: SystemVersion | str) -> list[Stale]:
        """What of a system version would have to be trained or measured again to fit what stands there now.

        Raises:
            UnknownVersionError: there is no such version.
        """
        return stale(self, system_version(self, version) if isinstance(version, str) else version)

    def close(self) -> None:
        """End this process's connections; the next use opens new ones."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *what: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"database": self.database}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.database = state["database"]
        self._furnish()

    def __repr__(self) -> str:
        return f"Store({self.url!r})"
