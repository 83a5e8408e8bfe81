-- row_counts: rows of every table, in the order in which the tables are made
SELECT table_name, row_count
FROM (
    SELECT 1 AS step, 'landing_files' AS table_name, count(*) AS row_count FROM landing_files
    UNION ALL SELECT 2, 'customer_landing', count(*) FROM customer_landing
    UNION ALL SELECT 3, 'customer_quarantine', count(*) FROM customer_quarantine
    UNION ALL SELECT 4, 'accelerometer_landing', count(*) FROM accelerometer_landing
    UNION ALL SELECT 5, 'accelerometer_quarantine', count(*) FROM accelerometer_quarantine
    UNION ALL SELECT 6, 'step_trainer_landing', count(*) FROM step_trainer_landing
    UNION ALL SELECT 7, 'step_trainer_quarantine', count(*) FROM step_trainer_quarantine
    UNION ALL SELECT 8, 'customer_trusted', count(*) FROM customer_trusted
    UNION ALL SELECT 9, 'accelerometer_trusted', count(*) FROM accelerometer_trusted
    UNION ALL SELECT 10, 'customer_curated', count(*) FROM customer_curated
    UNION ALL SELECT 11, 'step_trainer_trusted', count(*) FROM step_trainer_trusted
    UNION ALL SELECT 12, 'machine_learning_curated', count(*) FROM machine_learning_curated
) AS counted
ORDER BY step;
