"""What becomes of an error in a step: the kind of failure that is told, and whether the step is tried again."""

from itertools import pairwise

import dagster as dg
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from stedi_assets.engine.probes import EngineError
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.publication import PublishConflictError
from stedi_assets.resources import failing_clearly
from stedi_assets.settings import Settings, SettingsError


def of_aws(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


SILENCE = ReadTimeoutError(endpoint_url="https://s3.example.org")


def failing(error: Exception, attempt: int = 0) -> dg.Failure | dg.RetryRequested:
    lake = Lake(Settings(lake_uri="s3://bucket/lake"))
    with pytest.raises((dg.Failure, dg.RetryRequested)) as failed, failing_clearly(lake, "a table", attempt):
        raise error
    return failed.value


@pytest.mark.parametrize(
    "error",
    [SILENCE, of_aws("SlowDown", 503), of_aws("ThrottlingException", 400), of_aws("InternalError", 500)],
)
def test_what_may_pass_is_tried_again_and_says_how_often_it_was(error):
    request = failing(error, attempt=2)
    assert isinstance(request, dg.RetryRequested)
    assert request.__cause__.description.startswith("Storage did not answer: tried 3 times: ")


def test_waits_double_and_differ():
    first, second = ([failing(SILENCE, attempt).seconds_to_wait for _ in range(20)] for attempt in (0, 1))
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


def test_a_bug_keeps_its_class():
    with pytest.raises(ZeroDivisionError), failing_clearly(Lake(Settings(lake_uri="s3://b/l")), "a table"):
        1 / 0  # noqa: B018 - the bug
