-- accelerometer_quarantine: Every accelerometer record that could not be read or breaks a rule of the landing contract.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/accelerometer_quarantine.sql
CREATE TABLE IF NOT EXISTS stedi_db.accelerometer_quarantine (
    `source_file` string COMMENT 'Path of the landing file, below the lake.',
    `source_position` bigint COMMENT 'Where the record begins in that file, in bytes of its text: unpacked, and in UTF-8.',
    `ingested_at` bigint COMMENT 'When it was ingested, epoch ms UTC.',
    `raw_text` string COMMENT 'The record as delivered; undecodable bytes are written as \\xNN.',
    `reasons` array<string> COMMENT 'Why it was not landed; see docs/tables.md.',
    `persons` array<string> COMMENT 'Every person that its text names, spelled as in the column person; empty if it names nobody.',
    `devices` array<string> COMMENT 'Every device that its text names, spelled as in the column device; empty if it names none.',
    `snapshot_at` bigint COMMENT 'Its lastUpdateDate, if it has one for certain, epoch ms UTC; absent where in doubt.'
)
LOCATION '${LAKE_URI}/accelerometer/quarantine'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
