"""The folder of each table below the lake, for whoever needs no more of a contract: the models take 1.5 s to import.

The tables are in the order of the pipeline.
"""

from __future__ import annotations

FOLDERS = {
    "customer_landing": "customer/ingested",
    "accelerometer_landing": "accelerometer/ingested",
    "step_trainer_landing": "step_trainer/ingested",
    "customer_quarantine": "customer/quarantine",
    "accelerometer_quarantine": "accelerometer/quarantine",
    "step_trainer_quarantine": "step_trainer/quarantine",
    "landing_files": "ledger",
    "customer_trusted": "customer/trusted",
    "accelerometer_trusted": "accelerometer/trusted",
    "customer_curated": "customer/curated",
    "step_trainer_trusted": "step_trainer/trusted",
    "machine_learning_curated": "machine_learning/curated",
}
