"""What becomes of an error in a step: the kind of failure that is told, and whether the step is tried again."""

import errno
import sqlite3
from itertools import pairwise

import dagster as dg
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from sqlalchemy.exc import OperationalError

from stedi_assets.engine.probes import EngineError
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.publication import PublishConflictError
from stedi_assets.resources import SILENT_SECONDS, failing_clearly
from stedi_assets.settings import Settings, SettingsError


def of_aws(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


CUT = ConnectionClosedError(endpoint_url="https://s3.example.org")
SILENCE = ReadTimeoutError(endpoint_url="https://s3.example.org")


def of_sqlite(words: str) -> OperationalError:
    return OperationalError("COMMIT", None, sqlite3.OperationalError(words))


def failing(error: Exception, attempt: int = 0) -> dg.Failure | dg.RetryRequested:
    lake = Lake(Settings(lake_uri="s3://bucket/lake"))
    with pytest.raises((dg.Failure, dg.RetryRequested)) as failed, failing_clearly(lake, "a table", attempt):
        raise error
    return failed.value


@pytest.mark.parametrize(
    "error",
    [CUT, of_aws("SlowDown", 503), of_aws("ThrottlingException", 400), of_aws("InternalError", 500)],
)
def test_what_may_pass_is_tried_again_and_says_how_often_it_was(error):
    request = failing(error, attempt=2)
    assert isinstance(request, dg.RetryRequested)
    assert request.__cause__.description.startswith("Storage did not answer: tried 3 times: ")


def test_waits_double_and_differ():
    first, second = ([failing(CUT, attempt).seconds_to_wait for _ in range(20)] for attempt in (0, 1))
    assert all(15 <= wait <= 45 for wait in first)
    assert all(30 <= wait <= 90 for wait in second)
    assert any(one != other for one, other in pairwise(first))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SettingsError("wrong"), "Configuration: wrong"),
        (EngineError("no Java"), "Configuration: no Java"),
        (of_aws("AccessDenied", 403), "Configuration: the credentials do not permit s3:GetObject"),
        (LakeError("a file is gone"), "The lake cannot be used as it is: a file is gone"),
        (PublishConflictError("late"), "Another run was first: late"),
    ],
)
def test_what_does_not_pass_by_itself_says_its_kind_and_is_not_tried_again(error, kind):
    failure = failing(error)
    assert isinstance(failure, dg.Failure)
    assert failure.description.startswith(kind)


def test_silence_is_not_waited_for_again_and_no_step_right_after_it_tries():
    lake = Lake(Settings(lake_uri="s3://bucket/lake"))
    with pytest.raises(dg.Failure, match="waited in vain") as first, failing_clearly(lake, "a table"):
        raise SILENCE
    assert first.value.description.endswith("then try again")
    with pytest.raises(dg.Failure, match="another did not try") as second, failing_clearly(lake, "another"):
        pytest.fail("it tried")
    assert not first.value.allow_retries
    assert not second.value.allow_retries
    # A sensor of the same process looks again later.
    lake.silent_since -= SILENT_SECONDS
    with failing_clearly(lake, "a third"):
        """It tries."""


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (
            OSError(errno.ENOSPC, "No space", "/lake/x"),
            "The lake cannot be used as it is: /lake/x: No space: make room",
        ),
        (
            of_sqlite("attempt to write a readonly database"),
            "The lake cannot be used as it is: s3://bucket/lake/catalog.db",
        ),
        (
            of_sqlite("database or disk is full"),
            "The lake cannot be used as it is: s3://bucket/lake/catalog.db",
        ),
        (
            SparkConnectGrpcException("No space left on device (os error 28)"),
            "The lake cannot be used as it is: s3://bucket/lake, or the folder of temporary files: No space left",
        ),
    ],
)
def test_a_disk_that_takes_nothing_is_told(error, begins):
    assert failing(error).description.startswith(begins)


def test_a_locked_catalog_is_tried_again():
    request = failing(of_sqlite("database is locked"))
    assert isinstance(request, dg.RetryRequested)
    assert "another program has locked the catalog" in request.__cause__.description


def test_a_step_at_which_the_engine_itself_is_at_fault_is_tried_again_at_once():
    request = failing(SparkConnectGrpcException('internal error: task 7 panicked with message "secret"'))
    assert isinstance(request, dg.RetryRequested)
    assert (request.max_retries, request.seconds_to_wait) == (2, 0)
    assert "the engine failed with" in request.__cause__.description
    assert "secret" not in request.__cause__.description


def test_a_bug_keeps_its_class():
    with pytest.raises(ZeroDivisionError), failing_clearly(Lake(Settings(lake_uri="s3://b/l")), "a table"):
        1 / 0  # noqa: B018 - the bug
