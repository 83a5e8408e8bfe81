-- customer_raw: customers as delivered, for looking into a delivery
-- Athena takes no parameters in DDL. Fill in where the lake is, then run the statements one by one:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/raw_landing.sql
-- These tables show what was delivered and are no base for counts; customer_landing and its like are. Of a line that
-- is not one JSON object, ignore.malformed.json makes a row without values, so a truncated record, the header of a CSV
-- file and an empty line look alike, and of several objects glued on one line at most the first is seen. Without it,
-- one such line would fail every query. Nothing is repaired, checked or left out: people without consent are in here.
-- Consent dates have been delivered as 1.655564376361E12, which is no bigint to the reader; a double holds every
-- millisecond exactly.
CREATE EXTERNAL TABLE IF NOT EXISTS customer_raw (
    `customerName` string,
    `email` string,
    `phone` string,
    `birthDay` string,
    `serialNumber` string,
    `registrationDate` double,
    `lastUpdateDate` double,
    `shareWithResearchAsOfDate` double,
    `shareWithPublicAsOfDate` double,
    `shareWithFriendsAsOfDate` double
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION '${LAKE_URI}/customer/landing/';

-- accelerometer_raw: accelerometer readings as delivered; see customer_raw
CREATE EXTERNAL TABLE IF NOT EXISTS accelerometer_raw (
    `user` string,
    `timestamp` bigint,
    `x` double,
    `y` double,
    `z` double
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION '${LAKE_URI}/accelerometer/landing/';

-- step_trainer_raw: step trainer readings as delivered; see customer_raw
CREATE EXTERNAL TABLE IF NOT EXISTS step_trainer_raw (
    `sensorReadingTime` bigint,
    `serialNumber` string,
    `distanceFromObject` bigint
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION '${LAKE_URI}/step_trainer/landing/';
