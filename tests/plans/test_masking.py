import json

BODY = {
    "display_name": "Chat",
    "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
    "attributes": {"team": "team-sesame"},
    "metadata": {
        "endpoint": "wss://a.example/chat",
        "custom_headers": {"Authorization": "Bearer {{ test_case.user.token }}", "X-Team": "{{agent.team}}"},
        "initialization_json": {"account": "{{test_case.account}}"},
    },
}
CASES = [
    {
        "id": name,
        "turns": [{"type": "text", "text": "hi"}],
        "attributes": {"account": f"account-{name}", "user": {"token": f"token-{name}-sesame"}},
    }
    for name in "ab"
]


def test_what_test_cases_put_into_headers_is_a_secret_of_the_plan(load):
    plan = load(agents=[BODY], test_set=CASES)
    assert {"token-a-sesame", "token-b-sesame", "team-sesame"} <= plan.secrets
    shown = json.dumps(plan.masked())
    assert "sesame" not in shown
    assert "account-a" in shown
    assert plan.masked()["test_set"][0]["attributes"]["user"] == {"token": "***"}


def test_what_a_persona_puts_into_secrets_is_a_secret_of_the_plan(load):
    agent = {
        "display_name": "Chat",
        "model_type": "MODEL_TYPE_CHAT",
        "metadata": {
            "chat_endpoint": "https://a.example/chat",
            "initialization_endpoint": "https://a.example/sessions",
            "initialization_payload": {"client_secret": "{{persona.pass}}", "user": "{{persona.user}}"},
        },
    }
    personas = [
        {"name": name, "initialization_parameters": {"pass": f"pass-{name}-sesame", "user": f"user-{name}"}}
        for name in "ab"
    ]
    tools = [{"tool": "log_in", "result": {"accessToken": "tool-sesame"}}]
    case = {"id": "a", "turns": [{"type": "text", "text": "hi"}], "tool_results": tools}
    plan = load(agents=[agent], personas=personas, test_set=[case])
    assert {"pass-a-sesame", "pass-b-sesame", "tool-sesame"} <= plan.secrets
    shown = json.dumps(plan.masked())
    assert "sesame" not in shown
    assert "user-b" in shown
