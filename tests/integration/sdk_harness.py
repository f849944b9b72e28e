# SPDX-License-Identifier: MIT
"""The SDK's RemotePlatformContext against mint-platform, as in a plugin."""

import asyncio
import contextlib
import os

from mint_sdk import remote_context


@contextlib.contextmanager
def context(it, name, user=None):
    """The SDK's context, for code that runs within a request of user."""
    saved = {key: os.environ.get(key) for key in (
        "MINT_PLATFORM_URL", "MINT_PLUGIN_TOKEN", "MINT_PLUGIN_NAME",
        "MINT_PLATFORM_API_VERSION")}
    os.environ.update(MINT_PLATFORM_URL=it.internal,
                      MINT_PLUGIN_TOKEN=f"token-of-{name}",
                      MINT_PLUGIN_NAME=name, MINT_PLATFORM_API_VERSION="1")
    headers = None if user is None else {
        "x-mint-user-id": str(user), "x-mint-username": "somebody",
        "x-mint-user-role": "admin",
        "x-mint-user-permissions": '["experiments.delete"]'}
    token = remote_context._forwarded_user_headers.set(headers)
    try:
        yield remote_context.RemotePlatformContext()
    finally:
        remote_context._forwarded_user_headers.reset(token)
        for key, value in saved.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def run(it, name, work, user=None):
    """work(experiment repository, context) as plugin name for user."""
    async def main():
        with context(it, name, user) as ctx:
            return await work(ctx.get_experiment_repository(), ctx)
    return asyncio.run(main())


def failure(reply, status, code):
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), reply.text
    assert body["status"] == status and body["message"] == body["detail"]
    assert body["request_id"] == reply.headers["X-Request-ID"]
    return body
