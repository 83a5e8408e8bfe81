"""What Apache Spark needs to read and write S3: jars of the right versions, and the settings of Hadoop's S3A.

Sail reads S3 by itself. The jars come from Maven Central when a session starts, or from Spark's own cache of them.
"""

from __future__ import annotations

from stedi_assets import aws

# Those of the pinned PySpark: S3A must be of the very Hadoop that PySpark bundles, and knows one AWS SDK.
SPARK_VERSION = "4.1.2"
HADOOP_VERSION = "3.4.2"
AWS_SDK_VERSION = "2.29.52"

_PACKAGES = (
    f"org.apache.hadoop:hadoop-aws:{HADOOP_VERSION}",
    f"org.apache.spark:spark-hadoop-cloud_2.13:{SPARK_VERSION}",
    # hadoop-aws asks for the SDK's bundle of 600 MB, of which S3A uses these.
    *(
        f"software.amazon.awssdk:{module}:{AWS_SDK_VERSION}"
        for module in (
            "s3",
            "s3-transfer-manager",
            "sts",
            "sso",
            "ssooidc",
            "apache-client",
            "netty-nio-client",
            "url-connection-client",
        )
    ),
)
# The bundle, what PySpark has already, and other clouds.
_EXCLUDES = (
    "software.amazon.awssdk:bundle",
    "org.apache.hadoop:hadoop-annotations",
    "org.apache.hadoop:hadoop-azure",
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.apache.hadoop:hadoop-cloud-storage",
    "org.apache.hadoop:hadoop-common",
    "org.apache.hadoop:hadoop-gcp",
    "org.apache.hadoop:hadoop-openstack",
    "com.google.cloud.bigdataoss:gcs-connector",
)


def s3a_config() -> dict[str, str]:
    """Spark settings for a lake on S3: jars, the standard AWS credential chain, endpoint, committer."""
    config = {
        "spark.jars.packages": ",".join(_PACKAGES),
        "spark.jars.excludes": ",".join(_EXCLUDES),
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
        # Hadoop's own committers rename, which on S3 is a copy; this one completes uploads when the job commits.
        "spark.hadoop.fs.s3a.committer.name": "magic",
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": (
            "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter"
        ),
        # By default a request waits 200 s for an answer, and is made some forty times. Spark tries a task again, too.
        "spark.hadoop.fs.s3a.connection.timeout": "15s",
        "spark.hadoop.fs.s3a.attempts.maximum": "2",
        "spark.hadoop.fs.s3a.retry.limit": "2",
    }
    if region := aws.region():
        config["spark.hadoop.fs.s3a.endpoint.region"] = region
    if endpoint := aws.endpoint():
        config["spark.hadoop.fs.s3a.endpoint"] = endpoint
        config["spark.hadoop.fs.s3a.path.style.access"] = "true"
    return config
