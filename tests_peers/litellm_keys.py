"""Which keys the proxy takes; loaded by the proxy, as `litellm.yaml` asks."""

from fastapi import Request
from litellm.proxy._types import ProxyException, UserAPIKeyAuth

KEY = "sk-peer-of-coval-load"


async def only_ours(request: Request, api_key: str) -> UserAPIKeyAuth:
    if api_key != KEY:
        raise ProxyException(message="Authentication Error, invalid key", type="auth_error", param="key", code=401)
    return UserAPIKeyAuth(api_key=api_key)
