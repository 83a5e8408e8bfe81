-- step_trainer_trusted: Distinct readings of devices whose owners all consent to research and have accelerometer readings.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/step_trainer_trusted.sql
CREATE TABLE IF NOT EXISTS stedi_db.step_trainer_trusted (
    `sensorReadingTime` bigint COMMENT 'When it was read, epoch ms UTC.',
    `serialNumber` string COMMENT 'Serial number of the device.',
    `distanceFromObject` bigint COMMENT 'Distance from the device to the nearest object; the source states no unit.',
    `device` string COMMENT 'The device: serialNumber in one spelling, by which devices are matched.'
)
LOCATION '${LAKE_URI}/step_trainer/trusted'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
