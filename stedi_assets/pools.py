"""The pools: one run at a time writes a table.

See https://docs.dagster.io/guides/operate/managing-concurrency/concurrency-pools. A table names its pool in ``assets``;
the limit that an instance has by default belongs in its ``dagster.yaml``.
"""

import dagster as dg


def register_pools(instance: dg.DagsterInstance, definitions: dg.Definitions) -> list[str]:
    """Limit every pool of the definitions to one run at a time, on an instance.

    Dagster 1.13 applies ``default_limit`` to a pool only after the pool was in the queue once: on a new instance two
    runs of one table would start together.

    Returns:
        The names of the pools, sorted.
    """
    nodes = definitions.resolve_asset_graph().asset_nodes
    pools = sorted({pool for node in nodes for pool in node.pools or ()})
    limited = {
        pool.name
        for pool in instance.event_log_storage.get_pool_limits()
        if pool.limit == 1 and not pool.from_default
    }
    for pool in pools:
        if pool not in limited:
            instance.event_log_storage.set_concurrency_slots(pool, 1)
    return pools
