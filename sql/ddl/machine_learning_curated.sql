-- machine_learning_curated: One row per step reading and accelerometer reading of the same person at the same millisecond. With STEDI_ML_MATCH=timestamp, of any two people; rows may then repeat. What the data allow, by the reference data: no gait can be seen, since a person's moments are 2 to 4 seconds apart. Distances and axes are as chance makes them. The rows of one moment share their distance, so split a test set by person. By default, 22 % of the rows precede the person's consent.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/machine_learning_curated.sql
CREATE TABLE IF NOT EXISTS stedi_db.machine_learning_curated (
    `customer_key` string COMMENT 'Pseudonym of the person: HMAC-SHA-256 of the column person of customer_curated.',
    `sensorReadingTime` bigint COMMENT 'When both were read, epoch ms UTC.',
    `distanceFromObject` bigint COMMENT 'Distance from the device to the nearest object; the source states no unit.',
    `x` double COMMENT 'Acceleration along the x axis; the source states no unit.',
    `y` double COMMENT 'Acceleration along the y axis; the source states no unit.',
    `z` double COMMENT 'Acceleration along the z axis; the source states no unit.'
)
LOCATION '${LAKE_URI}/machine_learning/curated'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
