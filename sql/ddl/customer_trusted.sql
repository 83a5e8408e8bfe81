-- customer_trusted: The newest snapshot of each person and device, of people who consent to research now. People whose newest customer record may be in quarantine are held back.
-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;
-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.
-- Athena takes no parameters in DDL. Fill in where the lake is:
--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/customer_trusted.sql
CREATE TABLE IF NOT EXISTS stedi_db.customer_trusted (
    `customerName` string COMMENT 'Full name.',
    `email` string COMMENT 'E-mail address as delivered.',
    `phone` string COMMENT 'Telephone number.',
    `birthDay` string COMMENT 'Date of birth as typed; years such as 993 occur.',
    `serialNumber` string COMMENT 'Serial number of the device registered.',
    `registrationDate` bigint COMMENT 'When the device was registered, epoch ms UTC.',
    `lastUpdateDate` bigint COMMENT 'When this snapshot was taken, epoch ms UTC.',
    `shareWithResearchAsOfDate` bigint COMMENT 'When the person agreed to share with research, epoch ms UTC.',
    `shareWithPublicAsOfDate` bigint COMMENT 'When the person agreed to share with public, epoch ms UTC; absent or 0: not agreed.',
    `shareWithFriendsAsOfDate` bigint COMMENT 'When the person agreed to share with friends, epoch ms UTC; absent or 0: not agreed.',
    `person` string COMMENT 'The person: email in one spelling, by which people are matched; see docs/tables.md.',
    `device` string COMMENT 'The device: serialNumber in one spelling, by which devices are matched.'
)
LOCATION '${LAKE_URI}/customer/trusted'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
