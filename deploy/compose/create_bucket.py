"""Creates a bucket where it is missing: `create_bucket.py ENDPOINT_URL BUCKET`, credentials from the usual AWS_ variables."""  # noqa: INP001 - a script

from __future__ import annotations

import sys

import boto3


def main(endpoint_url: str, bucket: str) -> None:
    """Leaves an existing bucket alone; any other refusal ends the script with an error."""
    client = boto3.client("s3", endpoint_url=endpoint_url)
    if bucket in {existing["Name"] for existing in client.list_buckets()["Buckets"]}:
        sys.stderr.write(f"bucket {bucket} is there\n")
        return
    client.create_bucket(Bucket=bucket)
    sys.stderr.write(f"bucket {bucket} created\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
