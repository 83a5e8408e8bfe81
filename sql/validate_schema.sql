-- missing_tables: tables that the database should have and has not, or that the asker may not see
WITH expected (table_name) AS (
    VALUES
        ('customer_landing'),
        ('accelerometer_landing'),
        ('step_trainer_landing'),
        ('customer_quarantine'),
        ('accelerometer_quarantine'),
        ('step_trainer_quarantine'),
        ('landing_files'),
        ('customer_trusted'),
        ('accelerometer_trusted'),
        ('customer_curated'),
        ('step_trainer_trusted'),
        ('machine_learning_curated')
)
SELECT expected.table_name
FROM expected
LEFT JOIN information_schema.tables AS found
    ON found.table_name = expected.table_name AND found.table_schema = current_schema
WHERE found.table_name IS NULL
ORDER BY expected.table_name;

-- wrong_columns: columns of the tables that are there which are missing, unexpected or of another type
-- The catalog spells names in small letters, and engines spell types in their own ways, so both are made alike.
WITH expected (table_name, column_name, data_type) AS (
    VALUES
        ('customer_landing', 'customerName', 'varchar'),
        ('customer_landing', 'email', 'varchar'),
        ('customer_landing', 'phone', 'varchar'),
        ('customer_landing', 'birthDay', 'varchar'),
        ('customer_landing', 'serialNumber', 'varchar'),
        ('customer_landing', 'registrationDate', 'bigint'),
        ('customer_landing', 'lastUpdateDate', 'bigint'),
        ('customer_landing', 'shareWithResearchAsOfDate', 'bigint'),
        ('customer_landing', 'shareWithPublicAsOfDate', 'bigint'),
        ('customer_landing', 'shareWithFriendsAsOfDate', 'bigint'),
        ('customer_landing', 'person', 'varchar'),
        ('customer_landing', 'device', 'varchar'),
        ('customer_landing', 'source_file', 'varchar'),
        ('customer_landing', 'source_position', 'bigint'),
        ('customer_landing', 'ingested_at', 'bigint'),
        ('accelerometer_landing', 'user', 'varchar'),
        ('accelerometer_landing', 'timestamp', 'bigint'),
        ('accelerometer_landing', 'x', 'double'),
        ('accelerometer_landing', 'y', 'double'),
        ('accelerometer_landing', 'z', 'double'),
        ('accelerometer_landing', 'person', 'varchar'),
        ('accelerometer_landing', 'source_file', 'varchar'),
        ('accelerometer_landing', 'source_position', 'bigint'),
        ('accelerometer_landing', 'ingested_at', 'bigint'),
        ('step_trainer_landing', 'sensorReadingTime', 'bigint'),
        ('step_trainer_landing', 'serialNumber', 'varchar'),
        ('step_trainer_landing', 'distanceFromObject', 'bigint'),
        ('step_trainer_landing', 'device', 'varchar'),
        ('step_trainer_landing', 'source_file', 'varchar'),
        ('step_trainer_landing', 'source_position', 'bigint'),
        ('step_trainer_landing', 'ingested_at', 'bigint'),
        ('customer_quarantine', 'source_file', 'varchar'),
        ('customer_quarantine', 'source_position', 'bigint'),
        ('customer_quarantine', 'ingested_at', 'bigint'),
        ('customer_quarantine', 'raw_text', 'varchar'),
        ('customer_quarantine', 'reasons', 'array(varchar)'),
        ('customer_quarantine', 'persons', 'array(varchar)'),
        ('customer_quarantine', 'devices', 'array(varchar)'),
        ('customer_quarantine', 'snapshot_at', 'bigint'),
        ('accelerometer_quarantine', 'source_file', 'varchar'),
        ('accelerometer_quarantine', 'source_position', 'bigint'),
        ('accelerometer_quarantine', 'ingested_at', 'bigint'),
        ('accelerometer_quarantine', 'raw_text', 'varchar'),
        ('accelerometer_quarantine', 'reasons', 'array(varchar)'),
        ('accelerometer_quarantine', 'persons', 'array(varchar)'),
        ('accelerometer_quarantine', 'devices', 'array(varchar)'),
        ('accelerometer_quarantine', 'snapshot_at', 'bigint'),
        ('step_trainer_quarantine', 'source_file', 'varchar'),
        ('step_trainer_quarantine', 'source_position', 'bigint'),
        ('step_trainer_quarantine', 'ingested_at', 'bigint'),
        ('step_trainer_quarantine', 'raw_text', 'varchar'),
        ('step_trainer_quarantine', 'reasons', 'array(varchar)'),
        ('step_trainer_quarantine', 'persons', 'array(varchar)'),
        ('step_trainer_quarantine', 'devices', 'array(varchar)'),
        ('step_trainer_quarantine', 'snapshot_at', 'bigint'),
        ('landing_files', 'source_file', 'varchar'),
        ('landing_files', 'source', 'varchar'),
        ('landing_files', 'identity', 'varchar'),
        ('landing_files', 'bytes', 'bigint'),
        ('landing_files', 'records', 'bigint'),
        ('landing_files', 'landed', 'bigint'),
        ('landing_files', 'quarantined', 'bigint'),
        ('landing_files', 'repaired', 'varchar'),
        ('landing_files', 'ingested_at', 'bigint'),
        ('landing_files', 'run_id', 'varchar'),
        ('landing_files', 'missing_since', 'bigint'),
        ('landing_files', 'retracted_at', 'bigint'),
        ('landing_files', 'retracted_by', 'varchar'),
        ('landing_files', 'retracted_because', 'varchar'),
        ('landing_files', 'erased', 'bigint'),
        ('landing_files', 'digest', 'varchar'),
        ('customer_trusted', 'customerName', 'varchar'),
        ('customer_trusted', 'email', 'varchar'),
        ('customer_trusted', 'phone', 'varchar'),
        ('customer_trusted', 'birthDay', 'varchar'),
        ('customer_trusted', 'serialNumber', 'varchar'),
        ('customer_trusted', 'registrationDate', 'bigint'),
        ('customer_trusted', 'lastUpdateDate', 'bigint'),
        ('customer_trusted', 'shareWithResearchAsOfDate', 'bigint'),
        ('customer_trusted', 'shareWithPublicAsOfDate', 'bigint'),
        ('customer_trusted', 'shareWithFriendsAsOfDate', 'bigint'),
        ('customer_trusted', 'person', 'varchar'),
        ('customer_trusted', 'device', 'varchar'),
        ('accelerometer_trusted', 'user', 'varchar'),
        ('accelerometer_trusted', 'timestamp', 'bigint'),
        ('accelerometer_trusted', 'x', 'double'),
        ('accelerometer_trusted', 'y', 'double'),
        ('accelerometer_trusted', 'z', 'double'),
        ('accelerometer_trusted', 'person', 'varchar'),
        ('customer_curated', 'customerName', 'varchar'),
        ('customer_curated', 'email', 'varchar'),
        ('customer_curated', 'phone', 'varchar'),
        ('customer_curated', 'birthDay', 'varchar'),
        ('customer_curated', 'serialNumber', 'varchar'),
        ('customer_curated', 'registrationDate', 'bigint'),
        ('customer_curated', 'lastUpdateDate', 'bigint'),
        ('customer_curated', 'shareWithResearchAsOfDate', 'bigint'),
        ('customer_curated', 'shareWithPublicAsOfDate', 'bigint'),
        ('customer_curated', 'shareWithFriendsAsOfDate', 'bigint'),
        ('customer_curated', 'person', 'varchar'),
        ('customer_curated', 'device', 'varchar'),
        ('step_trainer_trusted', 'sensorReadingTime', 'bigint'),
        ('step_trainer_trusted', 'serialNumber', 'varchar'),
        ('step_trainer_trusted', 'distanceFromObject', 'bigint'),
        ('step_trainer_trusted', 'device', 'varchar'),
        ('machine_learning_curated', 'customer_key', 'varchar'),
        ('machine_learning_curated', 'sensorReadingTime', 'bigint'),
        ('machine_learning_curated', 'distanceFromObject', 'bigint'),
        ('machine_learning_curated', 'x', 'double'),
        ('machine_learning_curated', 'y', 'double'),
        ('machine_learning_curated', 'z', 'double')
),
found AS (
    SELECT
        table_name,
        lower(column_name) AS column_name,
        replace(lower(data_type), 'varchar[]', 'array(varchar)') AS data_type
    FROM information_schema.columns
    WHERE table_schema = current_schema AND table_name IN (SELECT table_name FROM expected)
),
due AS (
    SELECT table_name, lower(column_name) AS column_name, data_type
    FROM expected
    WHERE table_name IN (SELECT table_name FROM found)
)
SELECT
    coalesce(due.table_name, found.table_name) AS table_name,
    coalesce(due.column_name, found.column_name) AS column_name,
    CASE
        WHEN found.column_name IS NULL THEN 'missing'
        WHEN due.column_name IS NULL THEN 'not in the contract'
        ELSE concat('is ', found.data_type, ' instead of ', due.data_type)
    END AS problem
FROM due
FULL OUTER JOIN found ON found.table_name = due.table_name AND found.column_name = due.column_name
WHERE found.column_name IS NULL OR due.column_name IS NULL OR found.data_type <> due.data_type
ORDER BY 1, 2;
