-- accelerometer_landing: Every readable accelerometer reading, re-deliveries and people without consent included.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/accelerometer_landing.sql
CREATE TABLE IF NOT EXISTS stedi_db.accelerometer_landing (
    `user` string COMMENT 'E-mail address of the phone\'s user as delivered.',
    `timestamp` bigint COMMENT 'When it was read, epoch ms UTC.',
    `x` double COMMENT 'Acceleration along the x axis; the source states no unit.',
    `y` double COMMENT 'Acceleration along the y axis; the source states no unit.',
    `z` double COMMENT 'Acceleration along the z axis; the source states no unit.',
    `person` string COMMENT 'The person: user in one spelling, by which people are matched; see docs/tables.md.',
    `source_file` string COMMENT 'Path of the landing file, below the lake.',
    `source_position` bigint COMMENT 'Where the record begins in that file, in bytes of its text: unpacked, and in UTF-8.',
    `ingested_at` bigint COMMENT 'When it was ingested, epoch ms UTC.'
)
LOCATION '${LAKE_URI}/accelerometer/ingested'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
