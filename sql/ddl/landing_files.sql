-- landing_files: The ledger: every landing file that was ingested, as it was when it was.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/landing_files.sql
CREATE TABLE IF NOT EXISTS stedi_db.landing_files (
    `source_file` string COMMENT 'Path of the landing file, below the lake.',
    `source` string COMMENT 'Source that delivered it.',
    `identity` string COMMENT 'ETag on S3; in a folder, its size, when it was written and when it was changed.',
    `bytes` bigint COMMENT 'Size of the file as delivered.',
    `records` bigint COMMENT 'Records found by the scan of its text.',
    `landed` bigint COMMENT 'Records in the landing table.',
    `quarantined` bigint COMMENT 'Records in the quarantine table.',
    `repaired` string COMMENT 'Repairs by kind, with counts, as a JSON object.',
    `ingested_at` bigint COMMENT 'When it was ingested, epoch ms UTC.',
    `run_id` string COMMENT 'Dagster run that ingested it.',
    `missing_since` bigint COMMENT 'When it was first found to have disappeared, epoch ms UTC; its rows stay.',
    `retracted_at` bigint COMMENT 'When it was taken back, epoch ms UTC; no run reads it until its content changes.',
    `retracted_by` string COMMENT 'Who took it back.',
    `retracted_because` string COMMENT 'Why it was taken back.',
    `erased` bigint COMMENT 'Records of people who were erased, which are in no table; absent if it was ingested before there was a register of erasures.',
    `digest` string COMMENT 'What its content is known by under another name: ETag on S3, SHA-256 in a folder.'
)
LOCATION '${LAKE_URI}/ledger'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
