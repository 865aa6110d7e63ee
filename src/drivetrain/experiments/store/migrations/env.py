"""Run by Alembic: brings the database of the connection that it is given up to date."""

from alembic import context

from drivetrain.experiments.store.schema import PREFIX, VERSION_TABLE, metadata


def _ours(thing: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """MLflow's tables stand beside ours and are none of our business."""
    return kind != "table" or str(name).startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_object=_ours,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
