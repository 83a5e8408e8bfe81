"""The folder of each table below the lake, for whoever needs no more of a contract: the models take 1.5 s to import.

The tables are in the order of the pipeline.
"""

from __future__ import annotations

from stedi_assets.sources import SOURCES

FOLDERS = {
    **{f"{source}_landing": f"{source}/ingested" for source in SOURCES},
    **{f"{source}_quarantine": f"{source}/quarantine" for source in SOURCES},
    "landing_files": "ledger",
    "customer_trusted": "customer/trusted",
    "accelerometer_trusted": "accelerometer/trusted",
    "customer_curated": "customer/curated",
    "step_trainer_trusted": "step_trainer/trusted",
    "machine_learning_curated": "machine_learning/curated",
}
