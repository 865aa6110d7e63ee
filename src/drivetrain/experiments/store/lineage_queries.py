"""The links of a store as SQL, and the recursive query over them; SQLite and PostgreSQL read the same words."""

from __future__ import annotations

LINKS = """
links(source, target, role) AS (
    SELECT 'data:' || data_set_id, 'training:' || context_id, use FROM drivetrain_context_data
    UNION ALL
    SELECT 'data:' || other_id, 'data:' || data_set_id, relation FROM drivetrain_data_relations
    WHERE relation <> 'same scenes'
    UNION ALL
    SELECT 'component:' || component_version_id, 'training:' || context_id, role FROM drivetrain_context_members
    WHERE role <> 'trained'
    UNION ALL
    SELECT 'training:' || context_id, 'component:' || component_version_id, role FROM drivetrain_context_members
    WHERE role = 'trained'
    UNION ALL
    SELECT DISTINCT 'code:' || v.glue, 'training:' || c.id, 'code between the models'
    FROM drivetrain_contexts c JOIN drivetrain_runs r ON r.id = c.run_id
    JOIN drivetrain_system_versions v ON v.id = r.start_id WHERE c.inputs = 'system' AND v.glue <> ''
    UNION ALL
    SELECT 'code:' || code, 'component:' || id, 'code of the model' FROM drivetrain_component_versions WHERE code <> ''
    UNION ALL
    SELECT 'component:' || p.component_version_id, 'system:' || p.system_version_id, s.name
    FROM drivetrain_pins p JOIN drivetrain_slots s ON s.id = p.slot_id
    UNION ALL
    SELECT 'code:' || glue, 'system:' || id, 'code between the models' FROM drivetrain_system_versions WHERE glue <> ''
    UNION ALL
    SELECT DISTINCT 'system:' || system_version_id, 'evaluation:' || system_version_id || '/' || data, 'measured'
    FROM drivetrain_evaluations
    UNION ALL
    SELECT DISTINCT 'data:' || d.id, 'evaluation:' || e.system_version_id || '/' || e.data, 'measured on'
    FROM drivetrain_evaluations e JOIN drivetrain_data_sets d ON d.digest = e.data
)
"""
"""Targets were made from their sources. Data of the same scenes is related, but neither is made of the other."""

ALL = f"WITH {LINKS} SELECT source, target, role FROM links"

_REACHED = (
    "WITH RECURSIVE" + LINKS + ", reached(thing) AS (SELECT CAST(:start AS TEXT) UNION SELECT links.{far} "
    "FROM links JOIN reached ON links.{near} = reached.thing) SELECT source, target, role FROM links "
    "WHERE source IN (SELECT thing FROM reached) AND target IN (SELECT thing FROM reached)"
)  # UNION, not UNION ALL: what was reached is not reached again, so that circles end

UPSTREAM = _REACHED.format(far="source", near="target")
DOWNSTREAM = _REACHED.format(far="target", near="source")

LABELS = {
    "data": "SELECT id, CASE WHEN name = '' THEN 'data ' || SUBSTR(digest, 1, 8) ELSE name END, digest, created "
    "FROM drivetrain_data_sets",
    "training": "SELECT c.id, 'run ' || SUBSTR(r.key, 1, 8) || ', ' || c.pattern || ': ' || c.track, r.key, r.started "
    "FROM drivetrain_contexts c JOIN drivetrain_runs r ON r.id = c.run_id",
    "component": "SELECT id, name || ' ' || number, digest, created FROM drivetrain_component_versions",
    "system": "SELECT v.id, y.name || ' ' || v.number, v.digest, v.created FROM drivetrain_system_versions v "
    "JOIN drivetrain_systems y ON y.id = v.system_id",
    "evaluation": "SELECT e.system_version_id || '/' || e.data, y.name || ' ' || v.number || ' measured on ' || "
    "COALESCE(NULLIF(MAX(d.name), ''), NULLIF(SUBSTR(e.data, 1, 8), ''), 'unnamed data'), "
    "e.system_version_id || '/' || e.data, MAX(e.created) FROM drivetrain_evaluations e "
    "JOIN drivetrain_system_versions v ON v.id = e.system_version_id JOIN drivetrain_systems y ON y.id = v.system_id "
    "LEFT JOIN drivetrain_data_sets d ON d.digest = e.data GROUP BY e.system_version_id, e.data, y.name, v.number",
}
"""By kind: the id of each row, what people call it, by what the store knows it, when it was made."""

ID_OF = {
    "data": "SELECT 'data:' || id FROM drivetrain_data_sets WHERE digest = :key",
    "training": "SELECT 'training:' || c.id FROM drivetrain_contexts c JOIN drivetrain_runs r ON r.id = c.run_id "
    "WHERE r.key = :key ORDER BY c.id",
    "component": "SELECT 'component:' || id FROM drivetrain_component_versions WHERE digest = :key",
    "system": "SELECT 'system:' || v.id FROM drivetrain_system_versions v JOIN drivetrain_systems y "
    "ON y.id = v.system_id WHERE v.digest = :key AND y.name = :system",
    "system versions": "SELECT 'system:' || v.id FROM drivetrain_system_versions v JOIN drivetrain_systems y "
    "ON y.id = v.system_id WHERE y.name = :key ORDER BY v.id",
}
