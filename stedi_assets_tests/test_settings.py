"""Every ``STEDI_*`` variable: what it may be, and what a wrong one is answered with."""

from pathlib import Path

import pytest

from stedi_assets.settings import Settings, SettingsError, get_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No setting but the test's own; read anew."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STEDI_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_defaults():
    settings = get_settings()
    assert Path(settings.lake_uri) == Path.cwd() / "data"
    assert not settings.on_s3
    assert settings.spark == "sail"
    assert settings.database == "stedi_db"
    assert settings.consent_from_date is False
    assert settings.ml_match == "person"
    assert settings.pseudonym_key is None
    assert settings.retention_days == 7
    assert settings.memory_bytes is None


GOOD = {
    "STEDI_SPARK": [
        "sail",
        "local",
        "local[*]",
        "local[2]",
        "local[2,3]",
        "spark://host:7077",
        "spark://one:7077,two:7077",
        "spark://[::1]:7077",
        "sc://host",
        "sc://host:15002",
        "sc://host:15002/",
        "sc://host:15002/;token=abc;user_id=ann",
        "yarn",
        "k8s://https://host",
    ],
    "STEDI_DATABASE": ["stedi_db", "x2"],
    "STEDI_ML_MATCH": ["person", "timestamp"],
    "STEDI_MEMORY": ["1GB", "16GB", "1500MB"],
    "STEDI_KMS_KEY_ID": ["alias/stedi"],
}


@pytest.mark.parametrize(
    ("variable", "value"), [(name, value) for name, good in GOOD.items() for value in good]
)
def test_a_variable_sets_its_field(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert getattr(get_settings(), variable.removeprefix("STEDI_").lower()) == value


def test_variables_of_other_types(monkeypatch):
    monkeypatch.setenv("STEDI_CONSENT_FROM_DATE", "true")
    monkeypatch.setenv("STEDI_RETENTION_DAYS", "0")
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", "sixteen letters!")
    settings = get_settings()
    assert settings.consent_from_date is True
    assert settings.retention_days == 0
    assert settings.pseudonym_key.get_secret_value() == "sixteen letters!"


@pytest.mark.parametrize(
    ("value", "lake_uri"),
    [
        ("lake", "{cwd}/lake"),
        ("a lake", "{cwd}/a lake"),
        ("/some/lake/", "/some/lake"),
        ("/some/../lake", "/lake"),
        ("file:///some/lake", "/some/lake"),
        ("~/lake", "{home}/lake"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/some/lake/", "s3://bucket/some/lake"),
        ("S3://bucket/Some/lake", "s3://bucket/Some/lake"),
        (" s3://bucket/lake ", "s3://bucket/lake"),
        ("file:/some/lake", "/some/lake"),
        ("FILE:///some/lake", "/some/lake"),
        ("file://localhost/some/lake", "/some/lake"),
        ("~", "{home}"),
        ("./a:b", "{cwd}/a:b"),
    ],
)
def test_addresses_of_lakes(monkeypatch, value, lake_uri):
    monkeypatch.setenv("STEDI_LAKE_URI", value)
    settings = get_settings()
    assert settings.lake_uri == lake_uri.format(cwd=Path.cwd(), home=Path.home())
    assert settings.on_s3 == value.strip().lower().startswith("s3://")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("STEDI_MEMORY", "999MB", "a run takes 1GB or more"),
        ("STEDI_MEMORY", "16", "should match pattern"),
        ("STEDI_LAKE_URI", "", "a lake is a folder or an s3:// address"),
        ("STEDI_LAKE_URI", "gs://bucket/lake", "a lake is a folder or an s3:// address"),
        ("STEDI_LAKE_URI", "s3://", "needs a bucket, such as s3://my-bucket/lake"),
        ("STEDI_LAKE_URI", "s3:bucket/lake", "needs a bucket"),
        ("STEDI_LAKE_URI", "s3:/bucket/lake", "needs a bucket"),
        ("STEDI_LAKE_URI", "s3:///bucket/lake", "needs a bucket"),
        ("STEDI_LAKE_URI", "s3://ann@bucket/lake", "needs a bucket"),
        ("STEDI_LAKE_URI", "s3://bucket//lake", "must not contain //"),
        ("STEDI_LAKE_URI", "s3://bucket/../lake", "must not contain //, /./ or /../"),
        ("STEDI_LAKE_URI", "s3a://bucket/lake", "a lake is a folder or an s3:// address"),
        ("STEDI_LAKE_URI", "simplecache::s3://bucket/lake", "a lake is a folder or an s3:// address"),
        ("STEDI_LAKE_URI", "/some/a::b", "a lake is a folder or an s3:// address"),
        ("STEDI_LAKE_URI", "file:lake", "file:///some/folder"),
        ("STEDI_LAKE_URI", "file://host/lake", "file:///some/folder"),
        ("STEDI_LAKE_URI", "~nobody-of-this-name/lake", "leads nowhere"),
        ("STEDI_LAKE_URI", "/dev/null", "a lake is a folder, and this is a file"),
        ("STEDI_LAKE_URI", "/some/\nlake", "cannot be printed"),
        ("STEDI_LAKE_URI", "/some/\x1b[2Jlake", "must not contain ["),
        ("STEDI_LAKE_URI", "/some/\udcff", "cannot be printed"),
        ("STEDI_LAKE_URI", "/some/{lake}", "must not contain { }"),
        ("STEDI_SPARK", "sc://", "use sail"),
        ("STEDI_SPARK", "spark://one:7077,", "use sail"),
        ("STEDI_SPARK", "snail", "use sail, local[*], spark://host:7077, sc://host:15002"),
        ("STEDI_SPARK", "", "use sail, local[*]"),
        ("STEDI_DATABASE", "my-db", "^[a-z][a-z0-9_]*$"),
        ("STEDI_CONSENT_FROM_DATE", "perhaps", "boolean"),
        ("STEDI_ML_MATCH", "nobody", "'person' or 'timestamp'"),
        ("STEDI_PSEUDONYM_KEY", "short", "at least 16"),
        ("STEDI_RETENTION_DAYS", "-1", "greater than or equal to 0"),
        ("STEDI_RETENTION_DAYS", "week", "valid integer"),
    ],
)
def test_a_wrong_value_is_answered_with_the_variable_and_the_remedy(monkeypatch, variable, value, remedy):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        get_settings()
    assert str(caught.value).startswith(f"{variable}: ")
    assert remedy in str(caught.value)


def test_all_wrong_variables_are_named_at_once(monkeypatch):
    monkeypatch.setenv("STEDI_SPARK", "snail")
    monkeypatch.setenv("STEDI_ML_MATCH", "nobody")
    with pytest.raises(SettingsError, match=r"STEDI_SPARK: .*; STEDI_ML_MATCH: "):
        get_settings()


def test_a_secret_is_in_no_message_and_no_printed_setting(monkeypatch):
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", "too-short")
    with pytest.raises(SettingsError) as caught:
        get_settings()
    assert "too-short" not in f"{caught.value} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", "long enough to be a key")
    settings = get_settings()
    assert "long enough" not in f"{settings} {settings!r} {settings.model_dump_json()}"


def test_a_lake_is_no_pattern_because_of_the_working_directory(monkeypatch, tmp_path):
    (tmp_path / "work [1]").mkdir()
    monkeypatch.chdir(tmp_path / "work [1]")
    monkeypatch.setenv("STEDI_LAKE_URI", "lake")
    with pytest.raises(SettingsError, match=r"STEDI_LAKE_URI: .* must not contain \[ \]"):
        get_settings()


def test_a_connect_token_is_in_no_message_and_no_printed_setting(monkeypatch):
    monkeypatch.setenv("STEDI_SPARK", "sc://host:15002/;token=swordfish")
    settings = get_settings()
    assert "swordfish" not in f"{settings} {settings!r} {settings.model_dump_json()} {settings.model_dump()}"
    get_settings.cache_clear()
    monkeypatch.setenv("STEDI_SPARK", "sc://host:15002;token=swordfish")
    with pytest.raises(SettingsError) as caught:
        get_settings()
    assert "swordfish" not in f"{caught.value} {caught.value.__cause__!r}"
