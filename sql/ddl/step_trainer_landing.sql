-- step_trainer_landing: Every readable step trainer reading, re-deliveries and people without consent included.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/step_trainer_landing.sql
CREATE TABLE IF NOT EXISTS stedi_db.step_trainer_landing (
    `sensorReadingTime` bigint COMMENT 'When it was read, epoch ms UTC.',
    `serialNumber` string COMMENT 'Serial number of the device.',
    `distanceFromObject` bigint COMMENT 'Distance from the device to the nearest object; the source states no unit.',
    `device` string COMMENT 'The device: serialNumber in one spelling, by which devices are matched.',
    `source_file` string COMMENT 'Path of the landing file, below the lake.',
    `source_position` bigint COMMENT 'Where the record begins in that file, in bytes of its text: unpacked, and in UTF-8.',
    `ingested_at` bigint COMMENT 'When it was ingested, epoch ms UTC.'
)
LOCATION '${LAKE_URI}/step_trainer/ingested'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
