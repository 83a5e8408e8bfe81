"""The S3 and Glue server, for the tests of this folder."""

from stedi_assets_tests.aws_lake import new_lake, s3_server

__all__ = ["new_lake", "s3_server"]
