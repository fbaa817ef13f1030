"""Sends what standard input says through an official Python SDK: send.py segment|rudder URL WRITE_KEY."""

import json
import sys


def client(name, url, key, failed):
    """The SDK's own client, gzip on, as its documentation sets it up."""
    if name == "segment":
        from segment.analytics.client import Client

        return Client(key, host=url, gzip=True, upload_size=4, on_error=failed)
    from rudderstack.analytics.client import Client

    return Client(key, host=url, gzip=True, upload_size=4, on_error=failed)


def main():
    name, url, key = sys.argv[1:4]
    errors = []
    sdk = client(name, url, key, lambda error, batch: errors.append(error))
    count = 0
    for person in json.load(sys.stdin):
        for call, said in person.items():
            count += 1
            send(sdk, call, said)
    sdk.flush()
    sdk.join()
    if errors:
        sys.exit(f"the SDK reports {errors}")
    print("sent", count)


def send(sdk, call, said):
    """One call in the SDK's spelling."""
    ids = {"user_id": said["userId"], "anonymous_id": said["anonymousId"]}
    if call == "identify":
        sdk.identify(**ids, traits=said["traits"])
    elif call == "track":
        sdk.track(**ids, event=said["event"], properties=said["properties"])
    elif call in ("page", "screen"):
        getattr(sdk, call)(**ids, name=said["name"], properties=said["properties"])
    elif call == "group":
        sdk.group(**ids, group_id=said["groupId"], traits=said["traits"])
    elif call == "alias":
        sdk.alias(previous_id=said["previousId"], user_id=said["userId"])


main()
