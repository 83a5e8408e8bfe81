-- consent_funnel: people, from those who registered to those in the ML table, with the share of the first step
-- The column person holds an e-mail address in one spelling.
WITH steps (step, people) AS (
    SELECT '1 registered', count(DISTINCT person) FROM customer_landing
    UNION ALL
    SELECT '2 ever agreed to research', count(DISTINCT person)
    FROM customer_landing
    WHERE shareWithResearchAsOfDate > 0
    UNION ALL
    SELECT '3 agree to research now', count(DISTINCT person) FROM customer_trusted
    UNION ALL
    SELECT '4 have accelerometer readings', count(DISTINCT person) FROM customer_curated
    UNION ALL
    SELECT '5 have matched readings', count(DISTINCT customer_key) FROM machine_learning_curated
)
SELECT
    step,
    people,
    round(100e0 * people / nullif(max(people) OVER (), 0), 1) AS percent_of_registered
FROM steps
ORDER BY step;

-- readings_per_customer: rows of each consenting customer, under the pseudonym of the ML table
SELECT
    customer_key,
    count(*) AS matched_readings,
    count(DISTINCT sensorReadingTime) AS moments,
    date_add('millisecond', min(sensorReadingTime), timestamp '1970-01-01 00:00:00.000') AS first_reading_utc,
    date_add('millisecond', max(sensorReadingTime), timestamp '1970-01-01 00:00:00.000') AS last_reading_utc
FROM machine_learning_curated
GROUP BY customer_key
ORDER BY matched_readings DESC, customer_key;

-- readings_distribution: how many readings customers have, in each table, without saying whose they are
WITH per_customer (table_name, readings) AS (
    SELECT 'accelerometer_trusted', count(*)
    FROM accelerometer_trusted
    GROUP BY person
    UNION ALL
    SELECT 'step_trainer_trusted', count(*)
    FROM step_trainer_trusted AS step
    INNER JOIN (SELECT DISTINCT person, device FROM customer_curated) AS owner
        ON owner.device = step.device
    GROUP BY owner.person
    UNION ALL
    SELECT 'machine_learning_curated', count(*)
    FROM machine_learning_curated
    GROUP BY customer_key
)
SELECT
    table_name,
    count(*) AS customers,
    sum(readings) AS readings,
    min(readings) AS fewest,
    approx_percentile(readings, 0.5) AS median,
    max(readings) AS most
FROM per_customer
GROUP BY table_name
ORDER BY table_name;

-- coverage_by_hour: trusted and matched readings in every hour (UTC) that has any
-- Whole hours by remainder, since engines differ on what dividing two whole numbers gives.
SELECT
    date_add('millisecond', hour_ms, timestamp '1970-01-01 00:00:00.000') AS hour_utc,
    sum(accelerometer) AS accelerometer_readings,
    sum(step) AS step_readings,
    sum(matched) AS matched_readings
FROM (
    SELECT "timestamp" - "timestamp" % 3600000 AS hour_ms, 1 AS accelerometer, 0 AS step, 0 AS matched
    FROM accelerometer_trusted
    UNION ALL
    SELECT sensorReadingTime - sensorReadingTime % 3600000, 0, 1, 0 FROM step_trainer_trusted
    UNION ALL
    SELECT sensorReadingTime - sensorReadingTime % 3600000, 0, 0, 1 FROM machine_learning_curated
) AS reading
GROUP BY hour_ms
ORDER BY hour_ms;

-- quarantine_by_reason: records that were not landed; one with two reasons is counted under both
SELECT
    rejected.source,
    why.reason,
    count(*) AS records,
    count(DISTINCT rejected.source_file) AS files
FROM (
    SELECT 'customer' AS source, source_file, reasons FROM customer_quarantine
    UNION ALL
    SELECT 'accelerometer', source_file, reasons FROM accelerometer_quarantine
    UNION ALL
    SELECT 'step_trainer', source_file, reasons FROM step_trainer_quarantine
) AS rejected
CROSS JOIN UNNEST(rejected.reasons) AS why (reason)
GROUP BY rejected.source, why.reason
ORDER BY rejected.source, records DESC, why.reason;

-- join_quality: how well step and accelerometer readings of the same person meet
-- A step reading of a device with two consenting owners counts for either. pairs_missing and pairs_unexplained are 0
-- where readings are matched by person, as they are by default.
WITH owner AS (
    SELECT DISTINCT device, person FROM customer_curated
),
step AS (
    SELECT owner.person, reading.device, reading.sensorReadingTime, reading.distanceFromObject
    FROM step_trainer_trusted AS reading
    INNER JOIN owner ON owner.device = reading.device
),
moment_of_steps AS (
    SELECT person, sensorReadingTime, count(*) AS steps FROM step GROUP BY person, sensorReadingTime
),
moment_of_readings AS (
    SELECT person, "timestamp" AS sensorReadingTime, count(*) AS readings
    FROM accelerometer_trusted
    GROUP BY person, "timestamp"
),
met AS (
    SELECT
        coalesce(sum(moment_of_steps.steps * moment_of_readings.readings), 0) AS pairs,
        coalesce(sum(moment_of_steps.steps), 0) AS steps,
        coalesce(sum(moment_of_readings.readings), 0) AS readings
    FROM moment_of_steps
    INNER JOIN moment_of_readings
        ON moment_of_readings.person = moment_of_steps.person
        AND moment_of_readings.sensorReadingTime = moment_of_steps.sensorReadingTime
),
total AS (
    SELECT
        (SELECT count(*) FROM step) AS steps,
        (SELECT count(*) FROM accelerometer_trusted) AS readings,
        (SELECT count(*) FROM machine_learning_curated) AS pairs,
        (SELECT count(*) FROM (SELECT device FROM owner GROUP BY device HAVING count(*) > 1) AS shared)
            AS shared_devices
)
SELECT
    total.steps AS step_readings,
    met.steps AS step_readings_matched,
    round(100e0 * met.steps / nullif(total.steps, 0), 1) AS percent_of_steps,
    total.readings AS accelerometer_readings,
    met.readings AS accelerometer_readings_matched,
    round(100e0 * met.readings / nullif(total.readings, 0), 1) AS percent_of_readings,
    total.pairs,
    greatest(met.pairs - total.pairs, 0) AS pairs_missing,
    greatest(total.pairs - met.pairs, 0) AS pairs_unexplained,
    total.shared_devices
FROM total
CROSS JOIN met;
