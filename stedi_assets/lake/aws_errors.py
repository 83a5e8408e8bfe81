"""Errors of AWS put into words for a user of the lake.

``explain`` gives the words: a command prints them, and a run fails with them. A lake in a folder has no such errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stedi_assets import aws
from stedi_assets.lake.errors import LakeError, causes

if TYPE_CHECKING:
    import fsspec
    from botocore.exceptions import ClientError

_REFUSED_CREDENTIALS = (
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "InvalidToken",
    "ExpiredToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
)
_OTHER_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")
# The permission that a request needs, where the two have different names.
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
}
_FORBIDDEN, _SERVER_ERROR = 403, 500
# The codes by which S3 and Glue say that they are asked too often, whatever the status.
_THROTTLED = ("SlowDown", "ThrottlingException")

# The words of Sail, and of the reader of landing files in any engine, for a request to S3 that failed at every try.
_NETWORK_ERRORS = "32|5[4-9]|6[0-5]|10[1-4]|11[0-3]"  # of Linux and macOS; a full disk is none
# The same for a server that took each request and said nothing. Sail tries ten times, or until three minutes are over,
# which is so when it waited for each of fewer tries.
_ENGINE_SILENCE = re.compile(
    r"operation timed out|record reader failed: \w*Timeout\w*Error|after [1-9] retries, .* - HTTP error"
)
_ENGINE_FAULT = re.compile(
    rf"Generic S3 error|\(os error ({_NETWORK_ERRORS})\)"
    r"|record reader failed: \w*(Connect|Timeout|HTTPClient|Payload)\w*Error"
)


def require_bucket(filesystem: fsspec.AbstractFileSystem, lake_uri: str) -> None:
    """Ask once for the bucket's region, before any other request goes to a wrong region.

    In another region than the bucket's, Glue would know no tables, and would make new ones. There is one more reason to
    ask S3 before Glue: where no try can succeed, its client gives up within seconds, and Glue's client after a minute.

    Raises:
        LakeError: There is no such bucket, it is in another region, or the credentials are missing or wrong.
    """
    bucket = urlsplit(lake_uri).netloc
    try:
        answer: dict[str, Any] = filesystem.call_s3("get_bucket_location", Bucket=bucket)
    except Exception as error:
        if _is_forbidden(error):
            # No other request needs this permission. A permission that is needed is missed when it is used.
            return
        # Silence is no fault of the lake: whoever asked for something says how long it waited.
        if (message := explain(error, lake_uri)) is None or is_silence(error):
            raise
        raise LakeError(message) from None
    region, home = aws.region(), answer.get("LocationConstraint")
    if home is None and aws.endpoint():
        # Servers other than AWS name no region. AWS names none for its first region.
        return
    home = {None: "us-east-1", "EU": "eu-west-1"}.get(home, home)
    if region != home:
        raise LakeError(
            f"the bucket {bucket} is in {home}, and the region set is {region}: set AWS_REGION={home}"
        )


def explain(error: BaseException, lake_uri: str) -> str | None:
    """Say what a user can do about an error of AWS, even if other errors wrap it; None for any other error."""
    from botocore import exceptions as boto

    no_credentials = (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.ProfileNotFound,
        boto.SSOError,
        boto.TokenRetrievalError,
    )
    for cause in causes(error):
        match cause:
            case LakeError():
                return str(cause)
            case boto.ClientError():
                return _explain_answer(cause, lake_uri)
            case _ if isinstance(cause, no_credentials):
                return (
                    f"no AWS credentials for {lake_uri} ({cause}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                    "AWS_PROFILE, or run where a role is given"
                )
            case boto.NoRegionError() | boto.InvalidRegionError():
                return f"no AWS region to look in ({cause}): set AWS_REGION to the region of the bucket of {lake_uri}"
            case _ if _is_network_fault(cause):
                return _explain_silence(cause, lake_uri)
    return None


def is_transient(error: BaseException) -> bool:
    """Whether an error is one of network or storage, which may have passed when the same is tried again."""
    from botocore.exceptions import ClientError

    return any(
        _is_overloaded(cause) if isinstance(cause, ClientError) else _is_network_fault(cause)
        for cause in causes(error)
    )


def is_silence(error: BaseException) -> bool:
    """Whether storage took requests and never answered, so that clients have waited for minutes already."""
    from botocore import exceptions as boto
    from pyspark.errors import PySparkException

    return any(
        _ENGINE_SILENCE.search(str(cause)) is not None
        if isinstance(cause, PySparkException)
        else isinstance(cause, boto.ReadTimeoutError | boto.ConnectTimeoutError)
        for cause in causes(error)
    )


def _is_network_fault(error: BaseException) -> bool:
    from botocore import exceptions as boto
    from pyspark.errors import PySparkException

    if isinstance(error, PySparkException):
        return any(words.search(str(error)) for words in (_ENGINE_FAULT, _ENGINE_SILENCE))
    return isinstance(error, boto.HTTPClientError | boto.ConnectionError)


def _explain_silence(error: BaseException, lake_uri: str) -> str:
    from botocore.exceptions import BotoCoreError

    if not isinstance(error, BotoCoreError):
        return f"the engine could not reach {lake_uri}, again and again: check its network, then try again"
    where = getattr(error, "kwargs", {}).get("endpoint_url", "the endpoint")
    return (
        f"nothing answers at {urlsplit(where).hostname or where} ({type(error).__name__}): check AWS_REGION "
        f"({aws.region()}), AWS_ENDPOINT_URL and the network, then try again"
    )


def _is_overloaded(error: ClientError) -> bool:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= _SERVER_ERROR or error.response.get("Error", {}).get("Code") in _THROTTLED


def _is_forbidden(error: BaseException) -> bool:
    return isinstance(error, PermissionError) and not any(
        code in str(cause) for cause in causes(error) for code in _REFUSED_CREDENTIALS
    )


def _explain_answer(error: ClientError, lake_uri: str) -> str | None:
    response: dict[str, Any] = dict(error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = str(error)
    bucket = urlsplit(lake_uri).netloc
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket}: correct STEDI_LAKE_URI ({lake_uri}), or create the bucket"
    # Some servers have the code in the text alone.
    if refusal := next((known for known in _REFUSED_CREDENTIALS if known in text), None):
        return (
            f"AWS refuses the credentials ({refusal}): correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
            "AWS_SESSION_TOKEN, or the profile in AWS_PROFILE; if they expire, get new ones; and check the clock"
        )
    if code in _OTHER_REGION:
        return f"the bucket {bucket} is not in {aws.region()}: set AWS_REGION to the region that it is in"
    if status == _FORBIDDEN or code in ("AccessDenied", "AccessDeniedException"):
        named = re.search(r"perform: ([a-z0-9]+:\w+)", text)
        action = named[1] if named else _ACTIONS.get(error.operation_name, error.operation_name)
        return (
            f"the credentials do not permit {action} on {lake_uri} or its tables: give their role what "
            "deploy/cloudformation.yaml gives to the pipeline, or use other credentials"
        )
    if _is_overloaded(error):
        return f"AWS could not answer {error.operation_name} ({code}), again and again: try again later"
    return None
